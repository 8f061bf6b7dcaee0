//! Large fresh allocations, whose page faults cost more than the copy into them.

use std::iter;

use super::transfer::share;
use crate::error::Result;
use crate::memory;

/// The size and alignment of a huge page on every common system.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Below this the allocator recycles memory whose pages are there already, or nearly.
const LEAST_HUGE_BYTES: usize = 4 << 20;
/// The smallest page there is.
const PAGE_BYTES: usize = 4 << 10;

/// Zeros of this shape, or an error where there is no memory for them. From 4 MiB on, the kernel is
/// asked for huge pages, so that a page fault maps 2 MiB instead of 4 KiB.
pub(super) fn zeroed<T: bytemuck::Zeroable>(what: &'static str, shape: &[usize]) -> Result<Vec<T>> {
    let values = memory::zeroed(what, shape)?;
    #[cfg(target_os = "linux")]
    advise_huge_pages(&values);
    Ok(values)
}

/// Maps the pages of fresh zeros, on all cores. Each huge page is touched by a single core, because
/// cores that fault on one page at the same time would each clear a page, and all but one in vain.
pub(super) fn fault_in(values: &mut [f32]) {
    const FLOATS: usize = size_of::<f32>();
    let first = match size_of_val(values) {
        0..LEAST_HUGE_BYTES => values.len().min(64 * PAGE_BYTES / FLOATS),
        _ => values.as_ptr().align_offset(HUGE_PAGE_BYTES).clamp(1, values.len()),
    };
    let step =
        if size_of_val(values) < LEAST_HUGE_BYTES { first } else { HUGE_PAGE_BYTES / FLOATS };
    let (head, tail) = values.split_at_mut(first);
    let pieces: Vec<_> = iter::once(head).chain(tail.chunks_mut(step.max(1))).collect();
    share(pieces.into_iter(), |piece| {
        piece.iter_mut().step_by(PAGE_BYTES / FLOATS).for_each(|value| *value = 0.0);
    });
}

#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(values: &[T]) {
    /// The largest page size to which a kernel requires the range to be aligned.
    const ALIGNMENT: usize = 64 << 10;
    let bytes = size_of_val(values);
    if bytes < LEAST_HUGE_BYTES {
        return;
    }
    let start = values.as_ptr().cast::<u8>().cast_mut();
    let skipped = start.align_offset(ALIGNMENT).min(bytes);
    // SAFETY: the range is within one live allocation, and this advice changes how the kernel
    // backs memory, never what it holds. A kernel that refuses leaves everything as it was.
    #[expect(unsafe_code, reason = "measured: faults on first touch halve the rate of a decode")]
    unsafe {
        libc::madvise(start.add(skipped).cast(), bytes - skipped, libc::MADV_HUGEPAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_memory_is_zero_before_and_after_it_is_faulted_in() {
        for len in [0, 1, 1000, 1 << 18, (1 << 20) + 1, (5 << 20) + 7] {
            let mut values = zeroed::<f32>("zeros", &[len]).unwrap();
            assert_eq!(values.len(), len);
            fault_in(&mut values);
            assert!(values.iter().all(|v| *v == 0.0), "{len}");
        }
    }
}
