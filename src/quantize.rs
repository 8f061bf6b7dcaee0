//! What a code is: the scalar quantiser of one latent, written once for every CPU path.

/// The largest code.
pub(crate) const MAX_CODE: f32 = 127.0;

/// Adding this to an `f32` of at most 2^22 in magnitude rounds it half to even, and leaves the
/// rounded value in the low bits of the sum in two's complement. Unlike `round_ties_even`, it
/// vectorises on every x86-64.
const ROUNDER: f32 = 12_582_912.0;

/// Quantises one latent and returns its scale, `max |z| / 127`.
///
/// Zero where that is below the smallest normal `f32`; not finite where the latent is not.
#[inline(always)]
pub(crate) fn quantize(latent: &[f32], codes: &mut [u8]) -> f32 {
    let scale = max_magnitude(latent) / MAX_CODE;
    if !(scale.is_normal()) {
        codes.fill(0);
        return if scale.is_subnormal() { 0.0 } else { scale };
    }
    for (code, z) in codes.iter_mut().zip(latent) {
        *code = (z / scale + ROUNDER).to_bits() as u8;
    }
    scale
}

/// The largest magnitude; not finite if any value is not.
#[inline(always)]
fn max_magnitude(values: &[f32]) -> f32 {
    // Magnitudes order like their bits, and NaN sorts above infinity.
    let bits = values.iter().fold(0, |max: u32, v| max.max(v.to_bits() & 0x7fff_ffff));
    f32::from_bits(bits)
}

/// The latent that a code represents: `code * scale`.
#[inline(always)]
pub(crate) fn dequantize(codes: &[u8], scale: f32, latent: &mut [f32]) {
    for (z, &code) in latent.iter_mut().zip(codes) {
        *z = f32::from(code as i8) * scale;
    }
}

/// The L2 norm; zero where it is below the smallest normal `f32`, not finite where it is beyond the
/// largest or a value is not finite.
#[inline(always)]
pub(crate) fn norm(values: &[f32]) -> f32 {
    // Scaled by the largest magnitude first, so that the squares neither overflow nor vanish.
    let max = max_magnitude(values);
    if !max.is_normal() {
        return if max.is_finite() { 0.0 } else { max };
    }
    let sum: f32 = values.iter().map(|v| (v / max) * (v / max)).sum();
    max * sum.sqrt()
}

/// The L2 norm in `f64`, whose squares neither overflow nor vanish.
pub(crate) fn wide_norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

/// Divides a row by its L2 norm, and returns that; a row of zeros stays as it is.
pub(crate) fn to_unit(row: &mut [f32]) -> f32 {
    let norm = norm(row);
    if norm > 0.0 {
        row.iter_mut().for_each(|v| *v /= norm);
    }
    norm
}

/// Divides a latent by its L2 norm; a zero latent stays as it is.
#[inline(always)]
pub(crate) fn normalize(latent: &mut [f32]) {
    // Scaled by the largest magnitude first, so that the squares neither overflow nor vanish.
    let max = max_magnitude(latent);
    if max == 0.0 || !max.is_finite() {
        return;
    }
    let sum: f32 = latent.iter().map(|z| (z / max) * (z / max)).sum();
    let norm = sum.sqrt();
    for z in latent {
        *z = (*z / max) / norm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantized(latent: &[f32]) -> (Vec<i8>, f32) {
        let mut codes = vec![0; latent.len()];
        let scale = quantize(latent, &mut codes);
        (codes.into_iter().map(|c| c as i8).collect(), scale)
    }

    #[test]
    fn ties_go_to_even() {
        let (codes, scale) = quantized(&[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -127.0]);
        assert_eq!((codes, scale), (vec![127, 0, 2, 2, 0, -2, -127], 1.0));
    }

    #[test]
    fn every_code_is_reached_and_none_beyond() {
        for max in [1e-30, 0.1, 1.0, 3.0, 1e30, f32::MAX] {
            let latent: Vec<f32> = (-127..=127).map(|c| c as f32 / 127.0 * max).collect();
            let expected: Vec<i8> = (-127..=127).collect();
            assert_eq!(quantized(&latent).0, expected, "max {max}");
        }
    }

    #[test]
    fn vanishing_latents_are_zero_and_broken_ones_show() {
        assert_eq!(quantized(&[0.0, -0.0]), (vec![0, 0], 0.0));
        assert_eq!(quantized(&[1e-40, -1e-38]), (vec![0, 0], 0.0));
        assert!(!quantized(&[1.0, f32::NAN]).1.is_finite());
        assert!(!quantized(&[1.0, f32::NEG_INFINITY]).1.is_finite());
    }

    #[test]
    fn normalizing_survives_extreme_magnitudes() {
        for magnitude in [1e-30, 1.0, 1e30] {
            let mut latent = [3.0 * magnitude, -4.0 * magnitude];
            normalize(&mut latent);
            assert!((latent[0] - 0.6).abs() < 1e-6 && (latent[1] + 0.8).abs() < 1e-6);
        }
        let mut zero = [0.0; 3];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 3]);
    }
}
