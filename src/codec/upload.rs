//! Writing rows and codes into mapped memory, on all cores where it pays.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use wgpu::WriteOnly;

use super::transfer::{PIECE_BYTES, share};
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
use crate::gpu::SectionWriters;
use crate::plan::{Section, padded};
use crate::rows::Rows;

/// Writes rows padded with zeros to a multiple of four values, and fails on NaN or infinity.
pub(super) fn write_rows<T: Element>(
    rows: &Rows<'_, T>,
    range: Range<usize>,
    to: WriteOnly<'_, [u8]>,
) -> Result<()> {
    let width = padded(rows.dim()) * size_of::<T>();
    let finite = match rows.contiguous(&range) {
        // Without padding it is one long row.
        Some(values) if padded(rows.dim()) == rows.dim() => {
            write_padded(|_| values, size_of_val(values), T::all_finite, to)
        }
        _ => write_padded(|row| rows.row(range.start + row), width, T::all_finite, to),
    };
    if finite { Ok(()) } else { rows.check_finite(range) }
}

/// Writes latents of some rows, and their regions where the program takes regions.
pub(super) fn write_latents(
    latents: &Rows<'_>,
    regions: &[u8],
    range: Range<usize>,
    mut sections: SectionWriters<'_>,
) -> Result<()> {
    if sections.has(Section::Regions) {
        let mut to = sections.take(Section::Regions)?;
        for (row, region) in regions[range.clone()].iter().enumerate() {
            let word = u32::from(*region).to_ne_bytes();
            to.slice(row * word.len()..(row + 1) * word.len()).copy_from_slice(&word);
        }
    }
    write_rows(latents, range, sections.take(Section::Latents)?)
}

/// Writes scales and packed codes of some rows into their sections, the codes padded to words.
pub(super) fn write_codes(
    codes: &Codes,
    range: Range<usize>,
    mut sections: SectionWriters<'_>,
) -> Result<()> {
    let mut scales_to = sections.take(Section::Scales)?;
    let packed_to = sections.take(Section::Codes)?;
    let scales = match codes.scales() {
        [scale] => std::slice::from_ref(scale),
        scales => &scales[range.clone()],
    };
    scales_to.slice(..size_of_val(scales)).copy_from_slice(bytemuck::cast_slice(scales));
    let size = codes.config().packed_size();
    let packed = &codes.as_bytes()[range.start * size..range.end * size];
    let any = |_: &[u8]| true;
    if padded(size) == size {
        write_padded(|_| packed, packed.len(), any, packed_to);
    } else {
        write_padded(|row| &packed[row * size..(row + 1) * size], padded(size), any, packed_to);
    }
    Ok(())
}

/// Fills `to` with rows padded with zeros to `width` bytes. Returns whether all rows were valid.
///
/// Mapped memory can be shared among threads only in pieces of a fixed size, so a piece may end in
/// the middle of a row.
fn write_padded<'a, T: bytemuck::Pod + Sync>(
    row: impl Fn(usize) -> &'a [T] + Sync,
    width: usize,
    are_valid: impl Fn(&[T]) -> bool + Sync,
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
            valid &= are_valid(values);
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
