//! Copying results, on all cores where it pays.

use std::iter;
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "gpu")]
use rayon::prelude::*;

#[cfg(feature = "gpu")]
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::plan::padded;

/// Bytes that one core copies at a time. For less than two pieces, sharing costs more time than it
/// saves.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// Runs `work` on every piece, on all cores. The calling thread takes part, because waking other
/// threads takes as long as copying a megabyte.
pub(super) fn share<P: Send>(
    pieces: impl ExactSizeIterator<Item = P> + Send,
    work: impl Fn(P) + Sync,
) {
    let helpers = pieces.len().min(rayon::current_num_threads()).saturating_sub(1);
    let pieces = Mutex::new(pieces);
    // Not `while let`: that would hold the lock during the work.
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || iter::from_fn(next).for_each(&work);
    if helpers == 0 {
        return run();
    }
    rayon::in_place_scope(|scope| {
        (0..helpers).for_each(|_| scope.spawn(|_| run()));
        run();
    });
}

/// Copies as `copy_from_slice` does.
pub(super) fn copy<T: Copy + Send + Sync>(to: &mut [T], from: &[T]) {
    let piece = PIECE_BYTES / size_of::<T>();
    let pieces = to.chunks_mut(piece).zip(from.chunks(piece));
    share(pieces, |(to, from)| to.copy_from_slice(from));
}

/// A copy in a new `Vec`, whose memory is not zeroed first.
#[cfg(feature = "gpu")]
pub(super) fn collected(from: &[f32]) -> Vec<f32> {
    let piece = PIECE_BYTES / size_of::<f32>();
    if from.len() < 2 * piece {
        return from.to_vec();
    }
    from.par_iter().with_min_len(piece / 2).copied().collect()
}

/// Appends one `Vec` per row.
pub(super) fn extend_nested(rows: &mut Vec<Vec<f32>>, values: &[f32], dim: usize) {
    let start = rows.len();
    rows.resize_with(start + values.len() / dim, Vec::new);
    let piece_rows = (PIECE_BYTES / size_of::<f32>() / dim).max(1);
    let pieces = rows[start..].chunks_mut(piece_rows).zip(values.chunks(piece_rows * dim));
    share(pieces, |(rows, values)| {
        rows.iter_mut().zip(values.chunks_exact(dim)).for_each(|(to, row)| *to = row.to_vec());
    });
}

/// Copies rows of `len` values that are padded to a multiple of four, without the padding.
#[cfg(feature = "gpu")]
pub(super) fn copy_unpadded<T: Copy + Send + Sync>(to: &mut [T], from: &[T], len: usize) {
    let width = padded(len);
    if width == len {
        return copy(to, from);
    }
    let piece_rows = (PIECE_BYTES / size_of::<T>() / width).max(1);
    let pieces = to.chunks_mut(piece_rows * len).zip(from.chunks(piece_rows * width));
    share(pieces, |(to, from)| {
        let rows = to.chunks_exact_mut(len).zip(from.chunks_exact(width));
        rows.for_each(|(to, from)| to.copy_from_slice(&from[..len]));
    });
}

/// Bytes of mapped memory as values.
#[cfg(feature = "gpu")]
pub(super) fn values<T: bytemuck::Pod>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes)
        .map_err(|e| Error::Internal { detail: format!("mapped memory is not aligned ({e})") })
}
