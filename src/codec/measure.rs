//! Where the time of a call goes: the ring's steps one by one, and kernels alone.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Codec;
use super::blocks::Use;
use super::engine::decode_ring;
use super::gpu_engine::GpuEngine;
use super::transfer::{extend_nested, values};
use super::upload::{write_codes, write_latents, write_rows};
use crate::codes::Codes;
use crate::error::{Error, Result};
use crate::gpu::{Params, Program, Readback, SectionWriters, Timestamps};
use crate::plan::{Section, count};
use crate::rows::Rows;
use crate::wait::WaitMode;

/// The timings of one nested [`Codec::decode`] on a GPU, chunk after chunk without overlap, so that
/// they add up. A plain call overlaps them and is faster. Of several GPUs the first is timed.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Breakdown {
    /// Finding buffers in the pool, or creating them.
    pub allocation: Duration,
    /// Writing codes and scales into mapped memory.
    pub upload: Duration,
    /// The GPU's own time in the kernels, where the device has timestamps.
    pub kernel: Option<Duration>,
    /// From the submission until the rows are mapped, less the kernels' time where it is known.
    pub readback: Duration,
    /// From mapped memory into one `Vec` per row.
    pub extraction: Duration,
}

impl Codec {
    /// Decodes as [`decode`](Self::decode) does, and returns where the time went; none on the CPU
    /// engine, which has no such steps.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_breakdown(&self, codes: &Codes) -> Result<Option<Breakdown>> {
        codes.check_model(self.model())?;
        let backend = self.backend();
        let Some(engine) = backend.gpus().first() else { return Ok(None) };
        pollster::block_on(self.timed_decode(engine, codes)).map(Some)
    }

    async fn timed_decode(&self, engine: &Arc<GpuEngine>, codes: &Codes) -> Result<Breakdown> {
        let (gpu, dim) = (&engine.gpu, self.model().config().dim);
        let program = engine.programs.decode.clone();
        let passes = program.passes();
        let engines = std::slice::from_ref(engine);
        let program = |_: &GpuEngine| program.clone();
        let mut ring = decode_ring(engines, program, codes, WaitMode::Blocking, Use::Copied)?;
        let mut timings = Breakdown { kernel: Some(Duration::ZERO), ..Breakdown::default() };
        let mut nested = Vec::with_capacity(codes.row_count());
        while let Some(turn) = ring.take_turn() {
            let start = Instant::now();
            let mut slot = ring.lease(&turn)?;
            let leased = Instant::now();
            ring.fill(&turn, &mut slot).await?;
            timings.allocation += leased - start;
            timings.upload += leased.elapsed();

            let timestamps = Timestamps::new(gpu, passes)?;
            let start = Instant::now();
            let chunk = ring.submit(&turn, slot, timestamps.as_ref())?;
            let view = ring.arrive(&turn, chunk).await?;
            let arrival = start.elapsed();
            let kernel = match timestamps {
                Some(timestamps) => timestamps.read(gpu).await?,
                None => None,
            };
            timings.kernel = timings.kernel.zip(kernel).map(|(sum, kernel)| sum + kernel);
            timings.readback += arrival.saturating_sub(kernel.unwrap_or_default());

            let start = Instant::now();
            extend_nested(&mut nested, values(view.section(Section::Rows)?)?, dim);
            drop(view);
            timings.extraction += start.elapsed();
        }
        Ok(timings)
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

/// The GPU's own time in each program, over rows that stay on the device.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[must_use]
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
    /// How long the GPU itself takes for rows `[rows, dim]`: for each program the median of
    /// `repeats` runs over one chunk in device memory, however large. Each run is the last of
    /// sixteen back-to-back ones. None on the CPU engine, and on devices without timestamps. Of several GPUs the
    /// first is timed.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat); rows that exceed a limit or the device's memory.
    pub fn kernel_times(&self, rows: &[f32], repeats: usize) -> Result<Option<KernelTimes>> {
        let backend = self.backend();
        let Some(engine) = backend.gpus().first() else { return Ok(None) };
        let codes = self.encode_flat(rows)?;
        let (latents, regions) = self.encode_latent_with_regions(rows)?;
        let config = self.model().config();
        let rows = Rows::flat("rows", rows, config.dim)?;
        let latents = Rows::flat("latents", &latents, config.latent_dim)?;
        let programs = &engine.programs;
        let of_rows = |program: &Program| {
            engine.program_time(program, rows.len(), repeats, |mut sections| {
                write_rows(&rows, 0..rows.len(), sections.take(Section::Rows)?)
            })
        };
        let of_latents = |program: &Program| {
            engine.program_time(program, latents.len(), repeats, |sections| {
                write_latents(&latents, &regions, 0..latents.len(), sections)
            })
        };
        let of_codes = |program: &Program| {
            engine.program_time(program, codes.row_count(), repeats, |sections| {
                write_codes(&codes, 0..codes.row_count(), sections)
            })
        };
        let times = [
            of_rows(&programs.encode)?,
            of_rows(&programs.encode_latent)?,
            of_codes(&programs.decode)?,
            of_codes(&programs.decode_f16)?,
            of_latents(&programs.decode_latent)?,
        ];
        let [
            Some(encode),
            Some(encode_latent),
            Some(decode),
            Some(decode_f16),
            Some(decode_latent),
        ] = times
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
        fill: impl FnOnce(SectionWriters<'_>) -> Result<()>,
    ) -> Result<Option<Duration>> {
        // An idle GPU lowers its clock: nothing counts before this time, and of several
        // back-to-back runs only the last.
        const WARM_UP: Duration = Duration::from_millis(100);
        const RUNS: usize = 16;
        let gpu = &self.gpu;
        let available = program.chunk_rows(gpu, u64::MAX)?;
        if rows > available {
            let (required, available) = (rows as u64, available as u64);
            let what = "rows of one chunk";
            return Err(Error::Limit { what, required, available, remedy: "pass fewer rows" });
        }
        let (mut slot, _) = self.slot(program, rows, Readback::None)?;
        let params = Params { rows: count(rows), scale_stride: 1 };
        pollster::block_on(slot.fill(gpu, WaitMode::Blocking, params, fill))?;
        let mut times = Vec::new();
        let (start, mut upload_first) = (Instant::now(), true);
        while times.len() < repeats.max(1) {
            let Some(timestamps) = Timestamps::new(gpu, program.passes())? else { return Ok(None) };
            let warm = start.elapsed() > WARM_UP;
            slot.run(gpu, rows, upload_first, |encoder, bind_groups| {
                for _ in 1..RUNS {
                    program.record(encoder, bind_groups, rows, None);
                }
                program.record(encoder, bind_groups, rows, Some(&timestamps));
                timestamps.resolve(encoder);
            })?;
            match pollster::block_on(timestamps.read(gpu))? {
                Some(time) if warm => times.push(time),
                Some(_) => {}
                None => return Ok(None),
            }
            upload_first = false;
        }
        times.sort_unstable();
        Ok(times.get(times.len() / 2).copied())
    }
}
