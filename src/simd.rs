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

/// Clears the upper halves of the calling thread's vector registers.
///
/// faer's kernels leave them in use. On some machines each instruction compiled for every machine then takes many
/// times as long, until code compiled for the machine's vectors ends: on a Xeon with AVX-512, 16 threads took 89 ms
/// to convert 5 million values to `f16`, and 2.5 ms with clear registers.
#[inline(always)]
pub(crate) fn clear_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    if let Some(vectors) = pulp::x86::V3::try_new() {
        vectors.avx._mm256_zeroupper();
    }
}

struct Work<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Work<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
