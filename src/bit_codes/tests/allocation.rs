//! Who gets which bits.

use super::*;

/// What single bits, half bits and so on leave; by half bits per latent.
fn distortions(shares: &[(u8, f64)]) -> Distortions {
    let mut all = [f64::INFINITY; RATE_COUNT];
    for (half_bits, share) in shares {
        all[rates(&[*half_bits])[0].number()] = *share;
    }
    all
}

fn half_bits(rates: &[Rate]) -> Vec<u8> {
    rates.iter().map(|rate| (2.0 * rate.bits_per_latent()) as u8).collect()
}

#[test]
fn bits_go_where_the_variance_is() {
    let whole = distortions(&[(2, 0.3), (4, 0.08), (6, 0.02)]);
    let scalar =
        |variances: &[f64], bits| half_bits(&allocate(Window::Own, variances, &whole, bits));
    assert_eq!(scalar(&[8.0, 4.0, 0.1], 3), [4, 2]);
    assert_eq!(scalar(&[1.0, 1.0], 100), [6, 6], "no latent takes more");
    assert_eq!(scalar(&[0.0, 0.0], 8), [2], "one latent is always there");

    let halves = distortions(&[(1, 0.53), (2, 0.29), (3, 0.15), (4, 0.08), (6, 0.02)]);
    let trellis =
        |variances: &[f64], bits| half_bits(&allocate(Window::Last(8), variances, &halves, bits));
    // One bit for two latents is worth more than one for the first alone.
    assert_eq!(trellis(&[1.0, 0.9, 1e-9, 1e-9], 1), [1]);
    // An odd bit of a pair goes to its first latent.
    assert_eq!(trellis(&[1.0, 0.9], 5), [6, 4]);
    for bits in 1..40 {
        for latents in 1..14 {
            let variances: Vec<f64> = (0..latents).map(|i| 0.7f64.powi(i)).collect();
            let rates = allocate(Window::Last(8), &variances, &halves, bits);
            assert!(rates.is_sorted_by(|a, b| a >= b), "{rates:?}");
            let used: u32 = rates.iter().map(|rate| rate.bits()).sum();
            assert!(used as usize <= bits, "{rates:?}");
            let mut before = 0;
            for rate in rates {
                assert!(rate.latents() == 1 || before % 2 == 0, "a pair at latent {before}");
                before += rate.latents();
            }
            assert!(before <= latents as usize);
        }
    }
}

#[test]
fn no_scalar_latent_crosses_a_byte() {
    for (half_bits, first_bit, bytes) in [
        (&[16, 14, 12, 10, 8, 8, 6, 6, 6, 4, 4, 2, 2, 2][..], 0, 8),
        (&[6, 6, 6, 6, 4, 2], 4, 3),
        (&[2; 12], 4, 2),
    ] {
        let rates = rates(half_bits);
        let order = byte_order(&rates, first_bit, bytes).unwrap();
        let mut sorted = order.clone();
        sorted.sort();
        assert!(sorted.into_iter().eq(0..rates.len()));
        let ordered: Vec<u8> = order.iter().map(|i| half_bits[*i]).collect();
        let plan = plan(Window::Own, Layout::Bytes, &ordered, first_bit);
        assert!(plan.code_bytes() <= bytes, "{} of {bytes} bytes", plan.code_bytes());
        for symbol in plan.symbols() {
            assert_eq!((symbol.end - symbol.rate.bits()) / 8, (symbol.end - 1) / 8);
        }
        assert!(byte_order(&rates, first_bit, 1).is_none());
    }
}
