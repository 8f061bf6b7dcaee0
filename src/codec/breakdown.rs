//! Where the time of a call goes.

use std::fmt;
use std::time::{Duration, Instant};

use super::transfer::extend_nested;
use super::{Backend, Codec, ring};
use crate::codes::Codes;
use crate::error::Result;
use crate::gpu::Mode;

/// The parts of one nested [`Codec::decode`] on a GPU, chunk after chunk without overlap, so that
/// they add up. A plain call overlaps them and is faster.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Breakdown {
    /// Finding buffers in the pool, or creating them.
    pub allocation: Duration,
    /// Writing codes and scales into mapped memory.
    pub upload: Duration,
    /// The GPU's own time in the kernel, where the device has timestamps.
    pub kernel: Option<Duration>,
    /// From the submission until the rows are mapped, less the kernel's time where it is known.
    pub readback: Duration,
    /// From mapped memory into one `Vec` a row.
    pub extraction: Duration,
}

impl Codec {
    /// Decodes as [`decode`](Self::decode) does, and tells where the time went; none on the CPU
    /// engine, which has no such parts.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_breakdown(&self, codes: &Codes) -> Result<Option<Breakdown>> {
        codes.check_model(self.model())?;
        let Backend::Gpu(engine) = self.backend() else { return Ok(None) };
        let mut parts = Breakdown { kernel: Some(Duration::ZERO), ..Breakdown::default() };
        let mut rows = Vec::with_capacity(codes.rows());
        let mut ring = Self::decode_ring(engine, &engine.programs.decode, Mode::Block, codes)?;
        while let Some(chunk) = pollster::block_on(ring.next_timed(&mut parts)) {
            let (_, view) = chunk?;
            let start = Instant::now();
            extend_nested(&mut rows, ring::values(view.section(0))?, self.model().config().dim);
            drop(view);
            parts.extraction += start.elapsed();
        }
        Ok(Some(parts))
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let Self { allocation, upload, kernel, readback, extraction } = self;
        write!(f, "allocation {:.3} ms, upload {:.3} ms, ", ms(*allocation), ms(*upload))?;
        if let Some(kernel) = kernel {
            write!(f, "kernel {:.3} ms, ", ms(*kernel))?;
        }
        write!(f, "readback {:.3} ms, extraction {:.3} ms", ms(*readback), ms(*extraction))
    }
}
