//! A batch of codes that an index holds, and its copies on GPUs.

use std::ops::Deref;
#[cfg(feature = "gpu")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Gpu, ResidentRows, Share};
use crate::search::Batch;

/// A batch, and its copies on GPUs, each of a part of its rows.
#[derive(Debug)]
pub(crate) struct LoadedBatch {
    batch: Batch,
    #[cfg(feature = "gpu")]
    resident: Mutex<Vec<Arc<ResidentRows>>>,
}

impl LoadedBatch {
    /// A batch without copies. A search on GPUs makes them.
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            #[cfg(feature = "gpu")]
            resident: Mutex::default(),
        }
    }

    /// The rows on these devices, of which each has an equal part. `upload` makes a part that is not there.
    #[cfg(feature = "gpu")]
    pub(super) fn resident(
        &self,
        gpus: &[&Gpu],
        upload: impl Fn(&Batch, Share) -> Result<ResidentRows>,
    ) -> Result<Vec<Arc<ResidentRows>>> {
        // Under the lock, so that of several searches one uploads the rows. Each part is added as a whole.
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let share = |number| Share { number, of: gpus.len() };
        let found = |(number, gpu): (usize, &&Gpu)| {
            resident.iter().find(|rows| rows.is_on(gpu, share(number))).cloned()
        };
        let mut found: Vec<Option<Arc<ResidentRows>>> =
            gpus.iter().enumerate().map(found).collect();
        if found.iter().any(Option::is_none) {
            // Freed first: both copies may not fit.
            *resident = found.iter().flatten().cloned().collect();
            for (number, rows) in found.iter_mut().enumerate() {
                if rows.is_none() {
                    let new = Arc::new(upload(&self.batch, share(number))?);
                    resident.push(new.clone());
                    *rows = Some(new);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Bytes of memory, on the host and on GPUs.
    pub(crate) fn bytes(&self) -> u64 {
        #[cfg(feature = "gpu")]
        let resident: u64 = {
            let resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
            resident.iter().map(|rows| rows.bytes()).sum()
        };
        #[cfg(not(feature = "gpu"))]
        let resident = 0;
        self.batch.bytes() + resident
    }

    /// Bytes of rows that GPUs read in the host's memory.
    #[cfg(feature = "gpu")]
    pub(crate) fn link_bytes(&self) -> u64 {
        let resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        resident.iter().map(|rows| rows.link_bytes()).sum()
    }
}

impl Deref for LoadedBatch {
    type Target = Batch;
    fn deref(&self) -> &Batch {
        &self.batch
    }
}
