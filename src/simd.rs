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

/// Proof that the machine has vectors of 512 bits, of integers of 16 bits too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The machine's vectors.
    pub(crate) fn find() -> Option<Self> {
        has_avx512().then_some(Self(()))
    }

    /// Runs `work` compiled for these vectors. What holds for [`vectorized`] holds here.
    #[inline(always)]
    pub(crate) fn run<W: NullaryFnOnce>(self, work: W) -> W::Output {
        // SAFETY: the machine has the instructions: `find` made `self`.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            compiled(work)
        }
        #[cfg(not(target_arch = "x86_64"))]
        work.call()
    }

    /// The same for a closure.
    #[inline(always)]
    pub(crate) fn vectorize<R>(self, work: impl FnMut() -> R) -> R {
        self.run(Work(work))
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("bmi2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi2")]
fn compiled<W: NullaryFnOnce>(work: W) -> W::Output {
    work.call()
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
