//! Chunks of two results per row, whichever engine they come from: codes and scales, or latents and
//! regions.

use std::ops::Range;

use super::blocks::{Blocks, Job, PoolJobs};
use super::huge_pages::zeroed;
use super::pool::on_pool;
#[cfg(feature = "gpu")]
use super::ring::Ring;
use crate::element::Element;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::ReadView;
use crate::model::Model;
use crate::rows::Rows;
use crate::wait::WaitMode;

/// The chunks of `first [rows, width]` and `second [rows]`, in order.
pub(super) struct PairChunks<'a, A, B> {
    width: usize,
    source: Source<'a, A, B>,
}

type ComputeAll<'a, A, B> = Box<dyn FnOnce(&mut [A], &mut [B]) -> Result<()> + Send + 'a>;
/// Computes both results of some rows.
pub(super) type Compute<T, A, B> = fn(&Model, &Rows<'_, T>, &mut [A], &mut [B]) -> Result<()>;
/// Copies both results out of mapped memory: `first` has rows of so many values.
#[cfg(feature = "gpu")]
pub(super) type CopyOut<A, B> = fn(&ReadView, &mut [A], &mut [B], usize) -> Result<()>;

enum Source<'a, A, B> {
    /// All rows at once, into the result itself.
    Cpu(Option<ComputeAll<'a, A, B>>),
    Pool(PoolJobs<'a, (Vec<A>, Vec<B>)>),
    #[cfg(feature = "gpu")]
    Gpu(Ring<'a>, CopyOut<A, B>),
}

impl<'a, A, B> PairChunks<'a, A, B>
where
    A: bytemuck::Pod + Send,
    B: bytemuck::Pod + Send,
{
    /// Chunks that a function of the CPU engine computes.
    pub(super) fn of_rows<T: Element>(
        model: &'a Model,
        rows: &'a Rows<'a, T>,
        width: usize,
        mode: WaitMode,
        compute: Compute<T, A, B>,
    ) -> Self {
        if mode == WaitMode::Blocking {
            let all = move |first: &mut [A], second: &mut [B]| compute(model, rows, first, second);
            return Self { width, source: Source::Cpu(Some(Box::new(all))) };
        }
        let dim = rows.dim();
        let blocks = Blocks::of_task(rows.len(), dim * size_of::<T>());
        let spawn = move |range: Range<usize>| -> Job<(Vec<A>, Vec<B>)> {
            let (model, count, mut owned) = (model.clone(), range.len(), Vec::new());
            rows.copy_to(range, &mut owned);
            Box::pin(on_pool(move || {
                let mut first = zeroed("the results", &[count, width])?;
                let mut second = zeroed("the results", &[count])?;
                let rows = Rows::flat("rows", &owned, dim)?;
                compute(&model, &rows, &mut first, &mut second)?;
                Ok((first, second))
            }))
        };
        Self { width, source: Source::Pool(PoolJobs::new(blocks, spawn)) }
    }

    #[cfg(feature = "gpu")]
    pub(super) fn on_gpu(ring: Ring<'a>, width: usize, copy_out: CopyOut<A, B>) -> Self {
        Self { width, source: Source::Gpu(ring, copy_out) }
    }

    /// Both results of all `rows` rows.
    pub(super) async fn collect(
        mut self,
        rows: usize,
        [first, second]: [&'static str; 2],
    ) -> Result<(Vec<A>, Vec<B>)> {
        let mut first = zeroed(first, &[rows, self.width])?;
        let mut second = zeroed(second, &[rows])?;
        while self.write_next(&mut first, &mut second).await? {}
        Ok((first, second))
    }

    /// Writes the next chunk's share of the results. False after the last chunk.
    async fn write_next(&mut self, first: &mut [A], second: &mut [B]) -> Result<bool> {
        let width = self.width;
        let of_first = |range: &Range<usize>| range.start * width..range.end * width;
        match &mut self.source {
            Source::Cpu(compute) => {
                let Some(compute) = compute.take() else { return Ok(false) };
                compute(first, second)?;
            }
            Source::Pool(jobs) => {
                let Some(job) = jobs.next().await else { return Ok(false) };
                let (range, (a, b)) = job?;
                first[of_first(&range)].copy_from_slice(&a);
                second[range].copy_from_slice(&b);
            }
            #[cfg(feature = "gpu")]
            Source::Gpu(ring, copy_out) => {
                let Some(chunk) = ring.next().await else { return Ok(false) };
                let (range, view) = chunk?;
                copy_out(&view, &mut first[of_first(&range)], &mut second[range], width)?;
            }
        }
        Ok(true)
    }
}
