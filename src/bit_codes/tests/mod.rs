mod allocation;
mod plain;
mod training;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::Error;

fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            let mut sum = 0.0;
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                sum += (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
            }
            sum * 1.7
        })
        .collect()
}

/// Rates by their half bits per latent: 1 and 3 are symbols of two latents.
fn rates(half_bits: &[u8]) -> Vec<Rate> {
    let rate = |half_bits: &u8| match half_bits {
        1 => Rate::HALF,
        3 => Rate::ONE_AND_HALF,
        even => Rate::whole(even / 2),
    };
    half_bits.iter().map(rate).collect()
}

fn tables(window: Window, rates: &[Rate]) -> Arc<Tables> {
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in rates {
        let mut table = numbers(rate.latents() << window.bits(*rate), rate.number() as u64 + 1);
        if !window.is_trellis(*rate) {
            table.sort_by(f32::total_cmp);
        }
        tables[rate.number()] = table;
    }
    Arc::new(Tables::new(window, &tables).unwrap())
}

fn plan(window: Window, layout: Layout, half_bits: &[u8], first_bit: u32) -> BitPlan {
    let rates = rates(half_bits);
    let latents: usize = rates.iter().map(|rate| rate.latents()).sum();
    let steps = (0..latents).map(|i| 1.0 / (1.0 + i as f32)).collect();
    BitPlan::new(tables(window, &rates), layout, &rates, steps, first_bit, None).unwrap()
}

/// Reads the bit code bit by bit, as the format says.
fn naive(
    plan: &BitPlan,
    half_bits: &[u8],
    layout: Layout,
    first_bit: i64,
    packed: &[u8],
) -> Vec<f32> {
    let bit = |k: i64| usize::from(packed[(k / 8) as usize] >> (k % 8) & 1);
    let (mut end, mut trellis_start) = (first_bit, first_bit);
    let mut latents = Vec::new();
    for rate in rates(half_bits) {
        let own = i64::from(rate.bits());
        if layout == Layout::Bytes && end % 8 + own > 8 {
            end += 8 - end % 8;
        }
        end += own;
        let bits = i64::from(plan.window().bits(rate));
        let mut zero_before = trellis_start;
        if !plan.window().is_trellis(rate) {
            (trellis_start, zero_before) = (end, end - own);
        }
        let known = |k: i64| if k < zero_before { 0 } else { bit(k) };
        let window: usize = (0..bits).map(|j| known(end - bits + j) << j).sum();
        for latent in 0..rate.latents() {
            let value = plan.tables().table(rate)[(latent << bits) + window];
            latents.push(plan.steps()[latents.len()] * value);
        }
    }
    latents
}

fn error(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn decoded(plan: &BitPlan, packed: &[u8]) -> Vec<f32> {
    let mut latents = vec![0.0; plan.latents()];
    plan.decode(packed, &mut PaddedRow::default(), &mut latents);
    latents
}

fn encoded(plan: &BitPlan, latents: &[f32]) -> Vec<u8> {
    let mut packed = vec![0xff; latents.len() / plan.latents() * plan.code_bytes()];
    plan.encode(latents, &mut packed);
    packed
}

#[test]
fn codes_are_read_as_the_format_says() {
    let trellis: &[u8] = &[24, 18, 6, 4, 4, 3, 3, 2, 2, 2, 1, 1];
    for (window, layout, half_bits, first_bit) in [
        (Window::Own, Layout::Packed, &[6, 2, 4, 6, 2, 2, 4, 6, 6, 2, 4][..], 0),
        (Window::Own, Layout::Bytes, &[14, 2, 8, 8, 6, 6, 4, 10, 2, 2, 16], 5),
        (Window::Last(8), Layout::Packed, &[6, 2, 4, 6, 2, 2, 4, 6, 6, 2, 4], 0),
        (Window::Last(3), Layout::Packed, trellis, 0),
        (Window::Last(8), Layout::Packed, trellis, 4),
        (Window::Last(12), Layout::Packed, trellis, 8),
    ] {
        let plan = plan(window, layout, half_bits, first_bit);
        let packed_rows = numbers(plan.code_bytes() * 50, 5);
        let packed_rows: Vec<u8> = packed_rows.iter().map(|v| (v * 1e4) as i64 as u8).collect();
        for packed in packed_rows.chunks(plan.code_bytes()) {
            let expected = naive(&plan, half_bits, layout, first_bit.into(), packed);
            assert_eq!(decoded(&plan, packed), expected, "{window:?}");
        }
    }
}

#[test]
fn encoders_find_the_best_code_there_is() {
    for (window, half_bits) in [
        (Window::Own, &[4, 2, 4, 2, 4, 2][..]),
        (Window::Last(2), &[4, 2, 4, 2, 4, 2]),
        (Window::Last(4), &[4, 2, 4, 2, 4, 2]),
        (Window::Last(6), &[4, 3, 2, 1, 1, 1]),
        (Window::Last(3), &[8, 2, 3, 1]),
    ] {
        let plan = plan(window, Layout::Packed, half_bits, 0);
        let bits: u32 = rates(half_bits).iter().map(|rate| rate.bits()).sum();
        // 37 rows: full sets of lanes, and a partial one.
        let latents = numbers(37 * plan.latents(), 9);
        let packed_rows = encoded(&plan, &latents);
        let rows = latents.chunks(plan.latents()).zip(packed_rows.chunks(plan.code_bytes()));
        for (row, packed) in rows {
            let all = (0u16..1 << bits).map(|bits| bits.to_le_bytes());
            let best = all
                .map(|code| error(row, &decoded(&plan, &code[..plan.code_bytes()])))
                .fold(f32::MAX, f32::min);
            let found = error(row, &decoded(&plan, packed));
            // Costs are rounded.
            assert!(found <= best * 1.01 + 1e-4, "{window:?}: {found} over {best}");
        }
    }
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let bytes = |half_bits: &[u8], code_bytes: usize| {
        let rates = rates(half_bits);
        let tables = tables(Window::Last(3), &rates);
        let latents: usize = rates.iter().map(|rate| rate.latents()).sum();
        BitPlan::new(tables, Layout::Packed, &rates, vec![1.0; latents], 0, Some(code_bytes))
    };
    assert!(bytes(&[6, 4, 3, 1], 1).is_err(), "too many bits");
    assert!(bytes(&[6, 4, 3, 1], 2).is_ok());
    assert!(bytes(&[4, 8], 1).is_err(), "a symbol of own bits behind the trellis");
    assert!(bytes(&[8, 4], 1).is_ok());
    let rates = rates(&[4]);
    let tables = tables(Window::Last(3), &rates);
    let with_steps =
        |steps: Vec<f32>| BitPlan::new(tables.clone(), Layout::Packed, &rates, steps, 0, None);
    assert!(with_steps(vec![1.0]).is_ok());
    for steps in [vec![], vec![1.0; 2], vec![f32::NAN]] {
        assert!(with_steps(steps).is_err());
    }
    let mut one: [Vec<f32>; RATE_COUNT] = Default::default();
    one[Rate::whole(2).number()] = vec![0.0; 8];
    assert!(Tables::new(Window::Last(3), &one).is_ok());
    assert!(Tables::new(Window::Last(4), &one).is_err(), "the table is too small");
    assert!(Tables::new(Window::Last(13), &one).is_err(), "too many states");
    one[Rate::whole(2).number()] = vec![f32::NAN; 8];
    assert!(Tables::new(Window::Last(3), &one).is_err());
    let mut halves: [Vec<f32>; RATE_COUNT] = Default::default();
    halves[Rate::ONE_AND_HALF.number()] = vec![0.0; 16];
    assert!(Tables::new(Window::Last(2), &halves).is_err(), "three bits need eight states");
    halves[Rate::ONE_AND_HALF.number()] = vec![0.0; 8];
    assert!(Tables::new(Window::Own, &halves).is_err(), "scalar codes have no pairs");
}

#[test]
fn training_shrinks_the_error_below_the_quantiles() {
    let (rows, count) = (600, 16);
    let latents = numbers(rows * count, 3);
    let energy = error(&latents, &vec![0.0; latents.len()]);
    for window in [Window::Own, Window::Last(6)] {
        let trainer = Trainer::new(window, Rate::whole(8), &latents, count, &|| Ok(())).unwrap();
        let left = trainer.distortions();
        // A bit is worth 6 dB at best; no coder gets far above, and a good one not far below.
        for bits in 1..=8 {
            let left = left[Rate::whole(bits).number()];
            let bound = 0.25f64.powi(bits.into());
            assert!(left > 0.4 * bound && left < 2.6 * bound, "{window:?}, {bits}: {left}");
        }
        let two = Rate::whole(2);
        let tables = trainer.tables().unwrap();
        let steps = vec![1.0; count];
        let plan = BitPlan::new(tables, Layout::Packed, &[two; 16], steps, 0, None).unwrap();
        let plan = trainer.trained(vec![plan], &[&latents]).unwrap().remove(0);
        let packed_rows = encoded(&plan, &latents);
        let pairs = latents.chunks(count).zip(packed_rows.chunks(plan.code_bytes()));
        let left_over: f32 = pairs.map(|(row, s)| error(row, &decoded(&plan, s))).sum();
        let share = f64::from(left_over / energy);
        assert!(share <= left[two.number()] * 1.02, "{window:?}: {share}");
        assert_eq!(plan.code_bytes(), 4);
        assert!(plan.tables().are_f16());
    }
}

/// Training asks between blocks of rows whether it is to end, and does so with the error.
#[test]
#[cfg_attr(miri, ignore = "takes hours under Miri")]
fn training_ends_where_its_caller_wants_it_to() {
    let count = 3;
    let latents = numbers(600 * count, 17);
    let asked = AtomicUsize::new(0);
    let train = |limit: usize| {
        asked.store(0, Ordering::Relaxed);
        let check = || match asked.fetch_add(1, Ordering::Relaxed) {
            asked if asked >= limit => Err(Error::Cancelled),
            _ => Ok(()),
        };
        let trainer = Trainer::new(Window::Last(4), Rate::whole(4), &latents, count, &check)?;
        let rates = rates(&[4, 2, 2]);
        let plan = BitPlan::new(trainer.tables()?, Layout::Packed, &rates, vec![1.0; 3], 0, None)?;
        trainer.trained(vec![plan], &[&latents])
    };
    // The first training computes tables that later ones find.
    train(usize::MAX).unwrap();
    let whole = train(usize::MAX).unwrap();
    let checks = asked.load(Ordering::Relaxed);
    assert!(checks > 12, "only {checks} checks");
    for limit in [0, 1, 2, checks / 2, checks - 1] {
        assert!(matches!(train(limit), Err(Error::Cancelled)), "{limit} of {checks} checks");
        assert!(asked.load(Ordering::Relaxed) <= limit + 3, "went on after check {limit}");
    }
    assert_eq!(train(checks).unwrap(), whole);
}
