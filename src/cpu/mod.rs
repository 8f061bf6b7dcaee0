//! The CPU engine, for machines without a GPU. It runs on all cores.
//!
//! Rows are worked on in blocks: a block's latents stay in cache between the GEMM and the
//! quantiser, and nothing larger than a block is allocated.

mod decode;
mod encode;

pub(crate) use decode::{decode, decode_latent};
pub(crate) use encode::{encode, encode_latent};

/// Rows worked on at a time by one thread: enough for the GEMM to repay the packing of the
/// weights, few enough for a block to stay in a core's cache.
const BLOCK_ROWS: usize = 256;

/// Threads that share the work.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Rows per block for a batch of `rows` rows, so that a small batch still occupies every thread.
fn block_rows(rows: usize) -> usize {
    rows.div_ceil(threads()).clamp(1, BLOCK_ROWS)
}
