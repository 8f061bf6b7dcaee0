//! Chunks of two results per row, whichever engine they come from: codes and scales, or latents and
//! regions.

use std::ops::Range;

use super::blocks::{Blocks, Job, PoolJobs, TASK_BLOCK_BYTES};
use super::huge_pages::zeroed;
use super::pool::on_pool;
#[cfg(feature = "gpu")]
use super::ring::Ring;
use crate::element::Element;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::ReadView;
use crate::memory;
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
    Cpu(ComputeAll<'a, A, B>),
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
            return Self { width, source: Source::Cpu(Box::new(all)) };
        }
        let dim = rows.dim();
        let blocks = Blocks::of_bytes(rows.len(), dim * size_of::<T>(), TASK_BLOCK_BYTES);
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
        self,
        rows: usize,
        names: [&'static str; 2],
    ) -> Result<(Vec<A>, Vec<B>)> {
        let width = self.width;
        let zeros = || Ok((zeroed(names[0], &[rows, width])?, zeroed(names[1], &[rows])?));
        match self.source {
            Source::Cpu(compute) => {
                let (mut first, mut second) = zeros()?;
                compute(&mut first, &mut second)?;
                Ok((first, second))
            }
            Source::Pool(mut jobs) => {
                // Appended, and not zeroed first: see `Chunks::appended`.
                let mut first = memory::reserved(names[0], &[rows, width])?;
                let mut second = memory::reserved(names[1], &[rows])?;
                while let Some(job) = jobs.next().await {
                    let (_, (a, b)) = job?;
                    first.extend(a);
                    second.extend(b);
                }
                Ok((first, second))
            }
            #[cfg(feature = "gpu")]
            Source::Gpu(mut ring, copy_out) => {
                let (mut first, mut second) = zeros()?;
                while let Some(chunk) = ring.next().await {
                    let (range, view) = chunk?;
                    let of_first = range.start * width..range.end * width;
                    copy_out(&view, &mut first[of_first], &mut second[range], width)?;
                }
                Ok((first, second))
            }
        }
    }
}
