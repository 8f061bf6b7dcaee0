//! Chunks of decoded or projected rows, from either engine. A verb takes chunks and puts each where
//! its result goes.

use std::ops::Range;
use std::sync::Arc;

use super::blocks::{BLOCK_BYTES, Blocks, Job, PoolJobs, TASK_BLOCK_BYTES, Use};
#[cfg(feature = "gpu")]
use super::huge_pages::fault_in;
use super::huge_pages::zeroed;
use super::mapped_rows::MappedRows;
use super::pool::on_pool;
use super::transfer::extend_nested;
#[cfg(feature = "gpu")]
use super::{
    ring::Ring,
    transfer::{collected, copy, copy_unpadded, values},
};
use crate::element::Element;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::ReadView;
use crate::memory;
use crate::model::Model;
#[cfg(feature = "gpu")]
use crate::plan::Section;
use crate::rows::Rows;
use crate::wait::WaitMode;

/// Computes some rows into memory.
type Compute<'a, T> = Arc<dyn Fn(Range<usize>, &mut [T]) -> Result<()> + Send + Sync + 'a>;

/// The chunks of a result `[rows, width]`, in order.
pub(super) struct Chunks<'a, T> {
    width: usize,
    source: Source<'a, T>,
}

enum Source<'a, T> {
    /// Computed where and when the chunk is taken.
    Cpu { rest: Blocks, compute: Compute<'a, T> },
    /// Computed on the pool, for tasks, one chunk ahead.
    Pool(PoolJobs<'a, Vec<T>>),
    #[cfg(feature = "gpu")]
    Gpu { ring: Ring<'a>, section: Section },
}

impl<'a, T: Element> Chunks<'a, T> {
    /// Chunks of the CPU engine. A chunk is computed when it is taken. Results that are copied are
    /// one chunk, because they are computed in place.
    pub(super) fn on_cpu(
        rows: usize,
        width: usize,
        purpose: Use,
        compute: impl Fn(Range<usize>, &mut [T]) -> Result<()> + Send + Sync + 'a,
    ) -> Self {
        let rest = match purpose {
            Use::Copied => Blocks { rest: 0..rows, chunk_rows: rows },
            Use::Viewed => Blocks::of_bytes(rows, width * size_of::<T>(), BLOCK_BYTES),
        };
        Self { width, source: Source::Cpu { rest, compute: Arc::new(compute) } }
    }

    /// Chunks of the CPU engine for tasks. `job` returns the work on a range of rows. The work owns
    /// all data that it needs.
    pub(super) fn on_pool<J: FnOnce() -> Result<Vec<T>> + Send + 'static>(
        rows: usize,
        width: usize,
        job: impl Fn(Range<usize>) -> J + Send + Sync + 'a,
    ) -> Self {
        let blocks = Blocks::of_bytes(rows, width * size_of::<T>(), TASK_BLOCK_BYTES);
        let spawn = move |range| -> Job<Vec<T>> { Box::pin(on_pool(job(range))) };
        Self { width, source: Source::Pool(PoolJobs::new(blocks, spawn)) }
    }

    #[cfg(feature = "gpu")]
    pub(super) fn on_gpu(ring: Ring<'a>, section: Section, width: usize) -> Self {
        Self { width, source: Source::Gpu { ring, section } }
    }

    /// The next chunk; none after the last chunk or after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk<'a, T>>> {
        let width = self.width;
        let (rows, data) = match &mut self.source {
            Source::Cpu { rest, compute } => (rest.take()?, Data::Computed(compute.clone())),
            Source::Pool(jobs) => match jobs.next().await? {
                Ok((rows, values)) => (rows, Data::Owned(values)),
                Err(error) => return Some(Err(error)),
            },
            #[cfg(feature = "gpu")]
            Source::Gpu { ring, section } => match ring.next().await? {
                Ok((rows, view)) => (rows, Data::Mapped(view, *section)),
                Err(error) => return Some(Err(error)),
            },
        };
        Some(Ok(Chunk { rows, width, data }))
    }

    /// All `rows` rows of chunks that the thread pool computes, for a task; none where another engine or
    /// the caller's thread does. `what` names the rows in an error about memory.
    ///
    /// Zeros of memory that the allocator has recycled would keep the polling thread for as long as the
    /// work takes: the memory is reserved, and chunks are appended.
    pub(super) async fn appended(
        &mut self,
        what: &'static str,
        rows: usize,
    ) -> Result<Option<Vec<T>>> {
        let Source::Pool(jobs) = &mut self.source else { return Ok(None) };
        let mut out = memory::reserved(what, &[rows, self.width])?;
        while let Some(chunk) = jobs.next().await {
            out.extend(chunk?.1);
        }
        Ok(Some(out))
    }

    /// Rows of the chunk that `next` will return, zero after the last.
    pub(super) fn next_rows(&self) -> usize {
        match &self.source {
            Source::Cpu { rest, .. } => rest.next_rows(),
            Source::Pool(jobs) => jobs.next_rows(),
            #[cfg(feature = "gpu")]
            Source::Gpu { ring, .. } => ring.next_rows(),
        }
    }

    /// Lets a GPU begin before the first chunk is taken.
    pub(super) async fn start(&mut self) -> Result<()> {
        match &mut self.source {
            Source::Cpu { .. } => Ok(()),
            Source::Pool(jobs) => {
                jobs.start();
                Ok(())
            }
            #[cfg(feature = "gpu")]
            Source::Gpu { ring, .. } => ring.start().await,
        }
    }
}

impl<'a> Chunks<'a, f32> {
    /// Maps the memory of the next chunk's results while a GPU works. Otherwise the copy would wait
    /// for page faults. Does nothing on the CPU engine, where a task must not wait for the pool.
    pub(super) fn fault_in(&self, rows: &mut [f32]) {
        #[cfg(feature = "gpu")]
        if let Source::Gpu { .. } = &self.source {
            fault_in(rows);
        }
        #[cfg(not(feature = "gpu"))]
        let _nothing_to_do = rows;
    }

    /// Chunks that a function of the CPU engine computes from rows: rows of `width` values. `regions` has
    /// a number for each row, or none.
    pub(super) fn of_rows(
        model: &'a Model,
        rows: &'a Rows<'a>,
        regions: &'a [u8],
        width: usize,
        mode: WaitMode,
        compute: fn(&Model, &Rows<'_>, &[u8], &mut [f32]) -> Result<()>,
    ) -> Self {
        if mode == WaitMode::Blocking {
            // There is one chunk.
            let compute = move |_, out: &mut [f32]| compute(model, rows, regions, out);
            return Self::on_cpu(rows.len(), width, Use::Copied, compute);
        }
        let dim = rows.dim();
        Self::on_pool(rows.len(), width, move |range| {
            let (model, mut owned) = (model.clone(), Vec::new());
            let len = range.len() * width;
            let regions = regions.get(range.clone()).map(<[u8]>::to_vec).unwrap_or_default();
            rows.copy_to(range, &mut owned);
            move || {
                let mut out = zeroed("the results", &[len])?;
                compute(&model, &Rows::flat("rows", &owned, dim)?, &regions, &mut out)?;
                Ok(out)
            }
        })
    }
}

/// Some consecutive rows `[rows, width]`.
pub(super) struct Chunk<'a, T> {
    pub(super) rows: Range<usize>,
    width: usize,
    data: Data<'a, T>,
}

#[cfg_attr(
    feature = "gpu",
    expect(clippy::large_enum_variant, reason = "a box would be an allocation per chunk")
)]
enum Data<'a, T> {
    Computed(Compute<'a, T>),
    Owned(Vec<T>),
    #[cfg(feature = "gpu")]
    Mapped(ReadView, Section),
}

impl<T: Element> Chunk<'_, T> {
    /// Writes the rows into memory of exactly their size.
    pub(super) fn copy_to(&self, out: &mut [T]) -> Result<()> {
        match &self.data {
            Data::Computed(compute) => compute(self.rows.clone(), out),
            Data::Owned(values) => {
                // On this thread: a task must not wait for the pool.
                out.copy_from_slice(values);
                Ok(())
            }
            #[cfg(feature = "gpu")]
            Data::Mapped(view, section) => {
                let from = values(view.section(*section)?)?;
                // Rows of f16 are padded on the device, rows of f32 are not.
                if T::IS_F16 {
                    copy_unpadded(out, from, self.width)
                } else {
                    copy(out, from)
                }
                Ok(())
            }
        }
    }
}

impl Chunk<'_, f32> {
    /// The rows in memory of their own.
    pub(super) fn into_vec(self) -> Result<Vec<f32>> {
        match self.data {
            Data::Owned(values) => Ok(values),
            Data::Computed(compute) => {
                let mut out = zeroed("the results", &[self.rows.len(), self.width])?;
                compute(self.rows, &mut out)?;
                Ok(out)
            }
            #[cfg(feature = "gpu")]
            Data::Mapped(view, section) => Ok(collected(values(view.section(section)?)?)),
        }
    }

    /// Appends the rows, one `Vec` each.
    pub(super) fn push_rows(&self, nested: &mut Vec<Vec<f32>>) -> Result<()> {
        match &self.data {
            Data::Owned(values) => {
                nested.extend(values.chunks_exact(self.width).map(<[f32]>::to_vec));
            }
            Data::Computed(compute) => {
                let mut blocks =
                    Blocks::of_bytes(self.rows.len(), self.width * size_of::<f32>(), BLOCK_BYTES);
                let mut out = Vec::new();
                while let Some(block) = blocks.take() {
                    let rows = self.rows.start + block.start..self.rows.start + block.end;
                    out.resize(rows.len() * self.width, 0.0);
                    compute(rows, &mut out)?;
                    extend_nested(nested, &out, self.width);
                }
            }
            #[cfg(feature = "gpu")]
            Data::Mapped(view, section) => {
                extend_nested(nested, values(view.section(*section)?)?, self.width);
            }
        }
        Ok(())
    }

    /// The rows as a view: of mapped memory on a GPU, else of memory of their own.
    pub(super) fn into_mapped(self) -> Result<MappedRows> {
        let (first_row, dim) = (self.rows.start, self.width);
        #[cfg(feature = "gpu")]
        if let Data::Mapped(view, section) = self.data {
            return MappedRows::mapped(Box::new(view), section, first_row, dim);
        }
        Ok(MappedRows::owned(self.into_vec()?, first_row, dim))
    }
}
