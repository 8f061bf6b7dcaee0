//! A codec after the loss of its device.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::options::CodecOptions;
use super::{Codec, Engine, Placed};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;

impl Codec {
    /// Brings the codec and all its clones back after the device was lost. Without a loss it does
    /// nothing.
    ///
    /// Each lost device is opened again on its adapter. Codecs that shared the lost device share the
    /// new one. With `Engine::Auto` it is opened on the best adapter, and without one the codec continues
    /// with the CPU engine, as [`engine`](Self::engine) then says. Calls that are under way on the lost
    /// device end with [`Error::DeviceLost`](crate::Error::DeviceLost), and can be made again.
    ///
    /// Blocks while pipelines are compiled and weights uploaded, as building the codec did.
    ///
    /// # Errors
    /// There is no such adapter any more, or the lost device is the caller's: open another, and call
    /// [`recover_on`](Self::recover_on).
    pub fn recover(&self) -> Result<()> {
        #[cfg(feature = "gpu")]
        {
            // Under the lock, so that of several threads that find the loss one builds an engine.
            let mut placed = self.0.placed.write().unwrap_or_else(PoisonError::into_inner);
            let gpus: Vec<Gpu> =
                placed.backend.gpus().iter().map(|engine| engine.gpu.clone()).collect();
            if gpus.iter().any(Gpu::is_lost) {
                let options = &self.0.options;
                let found =
                    |gpu: &Gpu| if gpu.is_lost() { gpu.successor() } else { Ok(gpu.clone()) };
                let found = gpus.iter().map(found).collect::<Result<Vec<Gpu>>>();
                *placed = match (found, &options.engine) {
                    (Ok(gpus), _) => {
                        Placed::on_gpus(self.model(), options, &gpus, &placed.backend)?
                    }
                    (Err(reason), Engine::Auto) => Placed::on_cpu(Some(reason.to_string())),
                    (Err(error), _) => return Err(error),
                };
                self.0.recoveries.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Places the codec and all its clones on another engine, whether the device is lost or not. Calls
    /// that are under way end on the engine that they began on.
    ///
    /// # Errors
    /// As for [`with_options`](Self::with_options). The codec is then as it was.
    pub fn recover_on(&self, engine: Engine) -> Result<()> {
        let options = CodecOptions { engine, ..self.0.options.clone() };
        let new = Placed::new(self.model(), &options, &self.backend())?;
        *self.0.placed.write().unwrap_or_else(PoisonError::into_inner) = new;
        self.0.recoveries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
