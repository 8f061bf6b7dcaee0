//! Where the time of a call goes.

use std::fmt;
use std::time::{Duration, Instant};

use wgpu::WriteOnly;

use super::decode::fill_codes;
use super::ring::GpuEngine;
use super::transfer::{extend_nested, write_rows};
use super::{Backend, Codec, ring};
use crate::codes::Codes;
use crate::error::{Error, Result};
use crate::gpu::{Buffers, Mode, Params, Program, Readback, Slot, Timestamps};
use crate::plan::count;
use crate::rows::Rows;

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
        let mut rows = Vec::with_capacity(codes.row_count());
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

/// The GPU's own time in each program, over rows that stay on the device.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KernelTimes {
    /// Rows to codes.
    pub encode: Duration,
    /// Rows to latents.
    pub encode_latent: Duration,
    /// Codes to rows.
    pub decode: Duration,
    /// Codes to rows of f16.
    pub decode_f16: Duration,
    /// Latents to rows.
    pub decode_latent: Duration,
}

impl Codec {
    /// How long the GPU itself takes for these rows `[rows, dim]`: the median of `repeats` runs of
    /// each program over one chunk in device memory, however large, each the last of sixteen in a
    /// row. None on the CPU engine, and on devices without timestamps.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat); rows that exceed a limit or the device's memory.
    pub fn kernel_times(&self, rows: &[f32], repeats: usize) -> Result<Option<KernelTimes>> {
        let Backend::Gpu(engine) = self.backend() else { return Ok(None) };
        let (codes, latents) = (self.encode_flat(rows)?, self.encode_latent(rows)?);
        let config = self.model().config();
        let rows = Rows::flat("rows", rows, config.dim)?;
        let latents = Rows::flat("latents", &latents, config.latent_dim)?;
        let programs = &engine.programs;
        let of_rows = |program, rows: &Rows<'_>| {
            let count = rows.len();
            engine.program_time(program, count, repeats, |sections| {
                sections.into_iter().try_for_each(|to| write_rows(rows, 0..count, to))
            })
        };
        let of_codes = |program| {
            engine.program_time(program, codes.row_count(), repeats, |sections| {
                fill_codes(&codes, 0..codes.row_count(), sections);
                Ok(())
            })
        };
        let times = (
            of_rows(&programs.encode, &rows)?,
            of_rows(&programs.encode_latent, &rows)?,
            of_codes(&programs.decode)?,
            of_codes(&programs.decode_half)?,
            of_rows(&programs.decode_latent, &latents)?,
        );
        let (
            Some(encode),
            Some(encode_latent),
            Some(decode),
            Some(decode_f16),
            Some(decode_latent),
        ) = times
        else {
            return Ok(None);
        };
        Ok(Some(KernelTimes { encode, encode_latent, decode, decode_f16, decode_latent }))
    }
}

impl GpuEngine {
    /// The median time of a program over one chunk that `fill` writes.
    fn program_time(
        &self,
        program: &Program,
        rows: usize,
        repeats: usize,
        fill: impl FnOnce(Vec<WriteOnly<'_, [u8]>>) -> Result<()>,
    ) -> Result<Option<Duration>> {
        let gpu = &self.gpu;
        let most = program.chunk_rows(gpu, u64::MAX)?;
        if rows > most {
            let (required, available) = (rows as u64, most as u64);
            return Err(Error::Limit { what: "rows of one chunk", required, available });
        }
        let buffers = Buffers::new(gpu, &program.layout, rows, Readback::None)?;
        let bound = gpu.scoped("the bind groups of a chunk", || program.bind(gpu, &buffers))?;
        let mut slot = Slot::new(buffers, bound);
        let params = Params { rows: count(rows), scale_stride: 1 };
        pollster::block_on(slot.fill(gpu, Mode::Block, rows, params, fill))?;
        let mut times = Vec::new();
        // An idle device's clocks are low: what it does at first, the upload too, does not count, and
        // of several runs in a submission the last does.
        const WARM: Duration = Duration::from_millis(100);
        const RUNS: usize = 16;
        let (start, mut fresh) = (Instant::now(), true);
        while times.len() < repeats.max(1) {
            let Some(timestamps) = Timestamps::new(gpu, program.passes())? else { return Ok(None) };
            let warm = start.elapsed() > WARM;
            slot.run(gpu, rows, fresh, |encoder, bound| {
                for _ in 1..RUNS {
                    program.record(encoder, bound, rows, None);
                }
                program.record(encoder, bound, rows, Some(&timestamps));
                timestamps.resolve(encoder);
            })?;
            match pollster::block_on(timestamps.read(gpu))? {
                Some(time) if warm => times.push(time),
                Some(_) => {}
                None => return Ok(None),
            }
            fresh = false;
        }
        times.sort_unstable();
        Ok(times.get(times.len() / 2).copied())
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
