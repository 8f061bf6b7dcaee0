//! The CPU engine, for machines without a GPU. It runs on all cores.
//!
//! Rows are worked on in blocks: a block's latents stay in cache between the GEMM and the
//! quantiser, and nothing larger than a block is allocated.

mod decode;
mod encode;
pub(crate) mod search;

use crate::model::Model;

pub(crate) use decode::{decode, decode_latent};
pub(crate) use encode::{encode, encode_latent, encode_latent_with_regions};

/// Rows worked on at a time by one thread: enough for the GEMM to repay the packing of the
/// weights, few enough for a block to stay in a core's cache.
const BLOCK_ROWS: usize = 256;

/// Threads that share the work.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

/// The most bytes of a block's rows or latents. Only rows of over 16,384 values reach it.
const BLOCK_BYTES: usize = 16 << 20;

/// Regions for which a block has as many rows as for each one alone.
const MAX_BLOCKS: usize = 16;

/// Rows per block for a batch of `rows` rows, so that a small batch still occupies every thread, that a
/// large one ends on all threads at about the same time, and that a model of long rows does not ask for
/// memory by the gigabyte. With regions a block has more rows, because each region's rows are a GEMM of
/// their own.
fn block_rows(rows: usize, model: &Model) -> usize {
    let config = model.config();
    let longest = config.dim.max(config.latent_dim) * size_of::<f32>();
    let max_rows = BLOCK_ROWS * model.region_count().min(MAX_BLOCKS);
    let max_rows = max_rows.min((BLOCK_BYTES / longest).max(1));
    let rounds = rows.div_ceil(max_rows.saturating_mul(threads())).max(1);
    rows.div_ceil(rounds * threads()).max(1)
}
