//! Chunks of codes and scales, whichever engine they come from.

use std::ops::Range;

use super::blocks::{Blocks, Job, PoolJobs};
use super::huge_pages::zeroed;
use super::pool::on_pool;
#[cfg(feature = "gpu")]
use super::{
    ring::Ring,
    transfer::{copy_unpadded, values},
};
use crate::cpu;
use crate::element::Element;
use crate::error::Result;
use crate::model::Model;
#[cfg(feature = "gpu")]
use crate::plan::Section;
use crate::rows::Rows;

/// The chunks of codes and scales, in order.
pub(super) struct CodeChunks<'a>(CodeSource<'a>);

type EncodeAll<'a> = Box<dyn FnOnce(&mut [u8], &mut [f32]) -> Result<()> + Send + 'a>;

enum CodeSource<'a> {
    /// All rows at once, into the result itself.
    Cpu(usize, Option<EncodeAll<'a>>),
    Pool(PoolJobs<'a, (Vec<u8>, Vec<f32>)>),
    #[cfg(feature = "gpu")]
    Gpu(Ring<'a>),
}

impl<'a> CodeChunks<'a> {
    pub(super) fn on_cpu(
        rows: usize,
        encode: impl FnOnce(&mut [u8], &mut [f32]) -> Result<()> + Send + 'a,
    ) -> Self {
        Self(CodeSource::Cpu(rows, Some(Box::new(encode))))
    }

    pub(super) fn on_pool<T: Element>(model: &'a Model, rows: &'a Rows<'a, T>) -> Self {
        let (dim, size) = (rows.dim(), model.config().packed_size());
        let blocks = Blocks::of_bytes(rows.len(), dim * size_of::<T>());
        let spawn = move |range: Range<usize>| -> Job<(Vec<u8>, Vec<f32>)> {
            let (model, count, mut owned) = (model.clone(), range.len(), Vec::new());
            rows.copy_to(range, &mut owned);
            Box::pin(on_pool(move || {
                let mut packed = zeroed("the codes", &[count, size])?;
                let mut scales = zeroed("the scales", &[count])?;
                let rows = Rows::flat("rows", &owned, dim)?;
                cpu::encode(&model, &rows, &mut packed, &mut scales)?;
                Ok((packed, scales))
            }))
        };
        Self(CodeSource::Pool(PoolJobs::new(blocks, spawn)))
    }

    #[cfg(feature = "gpu")]
    pub(super) fn on_gpu(ring: Ring<'a>) -> Self {
        Self(CodeSource::Gpu(ring))
    }

    /// Writes the next chunk's share of `packed [rows, size]` and `scales [rows]`, the memory of the
    /// whole result. False after the last chunk.
    pub(super) async fn write_next(
        &mut self,
        packed: &mut [u8],
        scales: &mut [f32],
        size: usize,
    ) -> Result<bool> {
        match &mut self.0 {
            CodeSource::Cpu(rows, encode) => {
                let Some(encode) = encode.take() else { return Ok(false) };
                encode(&mut packed[..*rows * size], &mut scales[..*rows])?;
            }
            CodeSource::Pool(jobs) => {
                let Some(job) = jobs.next().await else { return Ok(false) };
                let (range, (codes, norms)) = job?;
                packed[range.start * size..range.end * size].copy_from_slice(&codes);
                scales[range].copy_from_slice(&norms);
            }
            #[cfg(feature = "gpu")]
            CodeSource::Gpu(ring) => {
                let Some(chunk) = ring.next().await else { return Ok(false) };
                let (range, view) = chunk?;
                scales[range.clone()].copy_from_slice(values(view.section(Section::Scales)?)?);
                let packed = &mut packed[range.start * size..range.end * size];
                copy_unpadded(packed, view.section(Section::Codes)?, size);
            }
        }
        Ok(true)
    }
}
