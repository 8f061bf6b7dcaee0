//! Loops compiled for the vectors of the machine.

use pulp::{Arch, NullaryFnOnce};

/// Runs `work` compiled for the machine's vectors: AVX2 with FMA where the machine has them.
///
/// Give closures the attribute `#[inline(always)]`, and call only functions inside that have it, too. Whatever
/// is not inlined is compiled for every machine. A closure that is passed to pulp itself is called through
/// an adapter that no attribute inlines.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}

struct Work<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Work<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
