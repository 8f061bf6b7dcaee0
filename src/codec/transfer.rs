//! Moving rows between the caller's memory and mapped memory, on all cores where it pays.

use std::iter;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use wgpu::WriteOnly;

use crate::codes::Codes;
use crate::error::Result;
use crate::plan::padded;
use crate::rows::{Rows, all_finite};

/// What one core copies at a time. Below two of these, handing out the work costs more than it
/// saves.
const PIECE_BYTES: usize = 256 << 10;

/// Has every piece worked on by some core. The calling thread takes its share: waking the others
/// takes as long as copying a megabyte.
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

/// A copy in a `Vec` of its own, whose memory is written once and not zeroed before.
pub(super) fn collected(from: &[f32]) -> Vec<f32> {
    let piece = PIECE_BYTES / size_of::<f32>();
    if from.len() < 2 * piece {
        return from.to_vec();
    }
    from.par_iter().with_min_len(piece / 2).copied().collect()
}

/// Appends one `Vec` a row.
pub(super) fn extend_nested(rows: &mut Vec<Vec<f32>>, values: &[f32], dim: usize) {
    let start = rows.len();
    rows.resize_with(start + values.len() / dim, Vec::new);
    let piece_rows = (PIECE_BYTES / size_of::<f32>() / dim).max(1);
    let pieces = rows[start..].chunks_mut(piece_rows).zip(values.chunks(piece_rows * dim));
    share(pieces, |(rows, values)| {
        rows.iter_mut().zip(values.chunks_exact(dim)).for_each(|(to, row)| *to = row.to_vec());
    });
}

/// Writes rows padded with zeros to a multiple of four values, and fails on NaN or infinity.
pub(super) fn write_rows(
    rows: &Rows<'_>,
    range: Range<usize>,
    to: WriteOnly<'_, [u8]>,
) -> Result<()> {
    let width = padded(rows.dim()) * size_of::<f32>();
    let finite = match rows.contiguous(&range) {
        // Without padding it is one long row.
        Some(values) if padded(rows.dim()) == rows.dim() => {
            write_padded(|_| values, size_of_val(values), to)
        }
        _ => write_padded(|row| rows.row(range.start + row), width, to),
    };
    if finite { Ok(()) } else { rows.check_finite(range) }
}

/// Writes scales and packed codes of some rows, the codes padded to words.
pub(super) fn write_codes(
    codes: &Codes,
    range: Range<usize>,
    mut scales_to: WriteOnly<'_, [u8]>,
    packed_to: WriteOnly<'_, [u8]>,
) {
    let scales = match codes.scales() {
        [scale] => std::slice::from_ref(scale),
        scales => &scales[range.clone()],
    };
    scales_to.slice(..size_of_val(scales)).copy_from_slice(bytemuck::cast_slice(scales));
    let size = codes.config().packed_size();
    let packed = &codes.as_bytes()[range.start * size..range.end * size];
    if padded(size) == size {
        write_padded(|_| packed, packed.len(), packed_to);
    } else {
        write_padded(|row| &packed[row * size..(row + 1) * size], padded(size), packed_to);
    }
}

/// What rows are made of, as far as writing them goes.
trait Value: bytemuck::Pod {
    /// Whether these may be sent to a GPU.
    fn are_valid(values: &[Self]) -> bool;
}

impl Value for f32 {
    fn are_valid(values: &[Self]) -> bool {
        all_finite(values)
    }
}

impl Value for u8 {
    fn are_valid(_: &[Self]) -> bool {
        true
    }
}

/// Fills `to` with rows padded with zeros to `width` bytes, and tells whether all were valid.
///
/// Pieces end where they end, in the midst of a row: mapped memory goes to other threads only in
/// pieces of a size known to the compiler.
fn write_padded<'a, T: Value>(
    row: impl Fn(usize) -> &'a [T] + Sync,
    width: usize,
    to: WriteOnly<'_, [u8]>,
) -> bool {
    let write = |offset, mut to: WriteOnly<'_, [u8]>| {
        let (mut at, mut valid) = (0, true);
        while at < to.len() {
            let within = (offset + at) % width;
            let end = to.len().min(at + width - within);
            let values = row((offset + at) / width);
            let start = values.len().min(within / size_of::<T>());
            let values = &values[start..values.len().min(start + (end - at) / size_of::<T>())];
            let padding = at + size_of_val(values);
            to.slice(at..padding).copy_from_slice(bytemuck::cast_slice(values));
            to.slice(padding..end).fill(0);
            valid &= T::are_valid(values);
            at = end;
        }
        valid
    };
    let (pieces, rest) = to.into_chunks::<PIECE_BYTES>();
    let rest_offset = pieces.len() * PIECE_BYTES;
    let valid = AtomicBool::new(write(rest_offset, rest));
    let pieces: Vec<_> = pieces.into_iter().collect();
    share(pieces.into_iter().enumerate(), |(index, to)| {
        if valid.load(Ordering::Relaxed) && !write(index * PIECE_BYTES, to.into()) {
            valid.store(false, Ordering::Relaxed);
        }
    });
    valid.into_inner()
}

/// Copies rows of `len` values that are padded to a multiple of four, without the padding.
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
