//! The types that a row's values may have.

use half::f16;

use crate::simd::vectorized;

/// A value of a row: [`f32`] or [`struct@f16`]. Sealed; only this crate implements it.
pub trait Element: sealed::Sealed + PartialEq + Send + Sync {}

impl Element for f32 {}
impl Element for f16 {}

pub(crate) mod sealed {
    use half::slice::HalfFloatSliceExt as _;

    use super::f16;

    /// What the engines need of a value.
    pub trait Sealed: bytemuck::Pod {
        /// Whether this is `f16`.
        const IS_F16: bool;

        /// Whether every value is finite.
        fn all_finite(values: &[Self]) -> bool;

        /// The value as `f32`, which holds it exactly.
        fn widened(self) -> f32;

        /// Converts values to `f32`.
        fn widen(values: &[Self], out: &mut [f32]);

        /// The values themselves, where they are `f32`.
        fn as_f32(values: &[Self]) -> Option<&[f32]>;

        /// The values themselves, where they are `f32`.
        fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]>;

        /// Rounds `f32` values to this type.
        fn round(values: &[f32], out: &mut [Self]);
    }

    impl Sealed for f32 {
        const IS_F16: bool = false;

        fn all_finite(values: &[Self]) -> bool {
            const EXPONENT: u32 = 0x7f80_0000;
            super::no_exponent_is_full(values, |v| v.to_bits() & EXPONENT == EXPONENT)
        }

        fn widened(self) -> f32 {
            self
        }

        fn widen(values: &[Self], out: &mut [f32]) {
            out.copy_from_slice(values);
        }

        fn as_f32(values: &[Self]) -> Option<&[f32]> {
            Some(values)
        }

        fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]> {
            Some(values)
        }

        fn round(values: &[f32], out: &mut [Self]) {
            out.copy_from_slice(values);
        }
    }

    impl Sealed for f16 {
        const IS_F16: bool = true;

        fn all_finite(values: &[Self]) -> bool {
            const EXPONENT: u16 = 0x7c00;
            super::no_exponent_is_full(values, |v| v.to_bits() & EXPONENT == EXPONENT)
        }

        fn widened(self) -> f32 {
            self.to_f32()
        }

        fn widen(values: &[Self], out: &mut [f32]) {
            values.convert_to_f32_slice(out);
        }

        fn as_f32(_: &[Self]) -> Option<&[f32]> {
            None
        }

        fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
            None
        }

        fn round(values: &[f32], out: &mut [Self]) {
            out.convert_from_f32_slice(values);
        }
    }
}

/// Whether no value has the exponent of infinities and NaN, in a loop without branches.
fn no_exponent_is_full<T: Copy>(values: &[T], is_full: impl Fn(T) -> bool) -> bool {
    vectorized(
        #[inline(always)]
        || values.chunks(1024).all(|chunk| !chunk.iter().fold(false, |any, v| any | is_full(*v))),
    )
}

#[cfg(test)]
mod tests {
    use super::sealed::Sealed;
    use super::*;

    #[test]
    fn values_that_are_not_finite_are_found_anywhere() {
        for at in [0, 1, 1023, 1024, 2999] {
            let (mut full, mut half) = (vec![1.0f32; 3000], vec![f16::ONE; 3000]);
            assert!(Sealed::all_finite(&full) && Sealed::all_finite(&half));
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                full[at] = bad;
                half[at] = f16::from_f32(bad);
                assert!(!Sealed::all_finite(&full) && !Sealed::all_finite(&half), "{bad} at {at}");
            }
        }
        assert!(Sealed::all_finite(&[f32::MAX, f32::MIN]) && Sealed::all_finite(&[f16::MAX]));
    }
}
