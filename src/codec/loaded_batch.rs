//! A batch of codes that an index holds, and its copy on a GPU.

use std::ops::Deref;
#[cfg(feature = "gpu")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Gpu, ResidentRows};
use crate::search::Batch;

/// A batch, and its copy on a GPU where there is one.
#[derive(Debug)]
pub(crate) struct LoadedBatch {
    batch: Batch,
    #[cfg(feature = "gpu")]
    resident: Mutex<Option<Arc<ResidentRows>>>,
}

impl LoadedBatch {
    /// A batch without a copy. A search on a GPU makes it.
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            #[cfg(feature = "gpu")]
            resident: Mutex::default(),
        }
    }

    /// The copy on this device, which is made if there is none.
    #[cfg(feature = "gpu")]
    pub(super) fn resident(
        &self,
        gpu: &Gpu,
        upload: impl FnOnce(&Batch) -> Result<ResidentRows>,
    ) -> Result<Arc<ResidentRows>> {
        // Under the lock, so that of several searches one uploads the rows. They are assigned as a whole.
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = resident.as_ref().filter(|rows| rows.is_on(gpu)) {
            return Ok(rows.clone());
        }
        // Freed first: both copies may not fit.
        *resident = None;
        let rows = Arc::new(upload(&self.batch)?);
        *resident = Some(rows.clone());
        Ok(rows)
    }

    /// Bytes of memory, on the host and on the GPU.
    pub(crate) fn bytes(&self) -> u64 {
        #[cfg(feature = "gpu")]
        let resident = {
            let resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
            resident.as_ref().map_or(0, |rows| rows.bytes())
        };
        #[cfg(not(feature = "gpu"))]
        let resident = 0;
        self.batch.bytes() + resident
    }
}

impl Deref for LoadedBatch {
    type Target = Batch;
    fn deref(&self) -> &Batch {
        &self.batch
    }
}
