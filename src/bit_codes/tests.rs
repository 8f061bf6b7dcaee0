use super::plan::Window;
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

fn plan(window: Window, bits_per_latent: &[u8]) -> BitPlan {
    let steps = (0..bits_per_latent.len()).map(|i| 1.0 / (1.0 + i as f32)).collect();
    let table = |width: u8| match width {
        0 => Vec::new(),
        width => {
            let mut table = numbers(1 << window.bits(width), u64::from(width));
            if window == Window::Own {
                table.sort_by(f32::total_cmp);
            }
            table
        }
    };
    let widest = bits_per_latent.iter().copied().max().unwrap();
    BitPlan::new(window, bits_per_latent.to_vec(), steps, (0..=widest).map(table).collect())
        .unwrap()
}

/// Reads the bit code bit by bit, as the format says.
fn naive(plan: &BitPlan, packed: &[u8]) -> Vec<f32> {
    let bit = |k: i64| match k {
        k if k < 0 => 0,
        k => usize::from(packed[(k / 8) as usize] >> (k % 8) & 1),
    };
    let mut end = 0i64;
    let value = |(width, step): (&u8, &f32)| {
        end += i64::from(*width);
        let bits = i64::from(plan.window.bits(*width));
        let window: usize = (0..bits).map(|j| bit(end - bits + j) << j).sum();
        step * plan.table(*width)[window]
    };
    plan.bits_per_latent.iter().zip(&plan.steps).map(value).collect()
}

fn error(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn decoded(plan: &BitPlan, packed: &[u8]) -> Vec<f32> {
    let mut latents = vec![0.0; plan.latents()];
    plan.decode(packed, &mut latents);
    latents
}

#[test]
fn codes_are_read_as_the_format_says() {
    for window in [Window::Own, Window::Last(3), Window::Last(8), Window::Last(12)] {
        let plan = plan(window, &[3, 1, 2, 3, 1, 1, 2, 3, 3, 1, 2]);
        let packed_rows = numbers(plan.code_bytes() * 50, 5);
        let packed_rows: Vec<u8> = packed_rows.iter().map(|v| (v * 1e4) as i64 as u8).collect();
        for packed in packed_rows.chunks(plan.code_bytes()) {
            assert_eq!(decoded(&plan, packed), naive(&plan, packed), "{window:?}");
        }
    }
}

#[test]
fn encoders_find_the_best_code_there_is() {
    for window in [Window::Own, Window::Last(2), Window::Last(4), Window::Last(6)] {
        let plan = plan(window, &[2, 1, 2, 1, 2, 1]);
        let (count, bytes) = (plan.latents(), plan.code_bytes());
        // 37 rows: two full sets of lanes, and a partial one.
        let latents = numbers(37 * count, 9);
        let mut packed_rows = vec![0; 37 * bytes];
        plan.encode(&latents, &mut packed_rows);
        for (row, packed) in latents.chunks(count).zip(packed_rows.chunks(bytes)) {
            let all = (0u16..1 << 9).map(|bits| bits.to_le_bytes());
            let best = all.map(|s| error(row, &naive(&plan, &s))).fold(f32::MAX, f32::min);
            let found = error(row, &naive(&plan, packed));
            assert!(found <= best * 1.00001, "{window:?}: {found} over {best}");
        }
    }
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let ok = |window, bits_per_latent: &[u8], entries: usize| {
        let tables = vec![vec![0.0; entries]; 10];
        BitPlan::new(window, bits_per_latent.to_vec(), vec![1.0; bits_per_latent.len()], tables)
            .is_ok()
    };
    assert!(ok(Window::Own, &[3], 8));
    assert!(!ok(Window::Own, &[3], 4), "the table is too small");
    assert!(!ok(Window::Own, &[0], 1), "a latent without bits");
    assert!(!ok(Window::Own, &[9], 512), "too many bits");
    assert!(ok(Window::Last(3), &[3, 1], 8));
    assert!(!ok(Window::Last(3), &[4], 8), "more bits than the window has");
    assert!(!ok(Window::Last(13), &[1], 1 << 13), "too many states");
    let broken = vec![vec![], vec![0.0, f32::NAN]];
    assert!(BitPlan::new(Window::Own, vec![1], vec![1.0], broken).is_err());
    assert!(BitPlan::new(Window::Own, vec![1], vec![], vec![vec![], vec![0.0; 2]]).is_err());
}

#[test]
fn bits_go_where_the_variance_is() {
    let distortions = [1.0, 0.3, 0.08, 0.02];
    assert_eq!(allocate(&[8.0, 4.0, 0.1], &distortions, 3), [2, 1]);
    assert_eq!(allocate(&[1.0, 1.0], &distortions, 100), [3, 3], "no latent takes more");
    assert_eq!(allocate(&[0.0, 0.0], &distortions, 8), [1], "one latent is always there");
    let bits_per_latent = allocate(&[4.0, 3.0, 2.0, 1.0, 0.5], &distortions, 7);
    assert_eq!(bits_per_latent.iter().map(|w| usize::from(*w)).sum::<usize>(), 7);
    assert!(bits_per_latent.is_sorted_by(|a, b| a >= b), "{bits_per_latent:?}");
}

#[test]
fn training_shrinks_the_error_below_the_quantiles() {
    let (rows, count) = (600, 16);
    let latents = numbers(rows * count, 3);
    let energy = error(&latents, &vec![0.0; latents.len()]);
    for window in [Window::Own, Window::Last(6)] {
        let trainer = Trainer::new(window, &latents, count, &vec![1.0; count], &|| Ok(())).unwrap();
        let left = trainer.distortions();
        assert!(left.is_sorted_by(|a, b| a >= b), "{left:?}");
        // A bit is worth 6 dB at best; no coder gets far above, and a good one not far below.
        for (width, left) in left.iter().enumerate().skip(1).take(4) {
            let bound = 0.25f64.powi(width as i32);
            assert!(*left > 0.7 * bound && *left < 2.6 * bound, "{window:?}, {width}: {left}");
        }
        let plan = trainer.plan(vec![2; count], vec![1.0; count], &latents).unwrap();
        let mut packed_rows = vec![0; rows * plan.code_bytes()];
        plan.encode(&latents, &mut packed_rows);
        let pairs = latents.chunks(count).zip(packed_rows.chunks(plan.code_bytes()));
        let left_over: f32 = pairs.map(|(row, s)| error(row, &decoded(&plan, s))).sum();
        let share = f64::from(left_over / energy);
        assert!(share <= left[2] * 1.02, "{window:?}: {share} after {}", left[2]);
        assert_eq!(plan.code_bytes(), 4);
    }
}

/// Training asks between blocks of rows whether it is to end, and does so with the error.
#[test]
fn training_ends_with_the_error_of_its_check() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (count, rows) = (3, 1200);
    let latents = numbers(rows * count, 9);
    let asked = AtomicUsize::new(0);
    let train = |limit: usize| {
        asked.store(0, Ordering::Relaxed);
        let check = || match asked.fetch_add(1, Ordering::Relaxed) {
            at if at >= limit => Err(Error::Cancelled),
            _ => Ok(()),
        };
        let trainer = Trainer::new(Window::Last(4), &latents, count, &[1.0; 3], &check)?;
        trainer.plan(vec![2, 1, 1], vec![1.0; 3], &latents)
    };
    let whole = train(usize::MAX).unwrap();
    let checks = asked.load(Ordering::Relaxed);
    assert!(checks > 20, "only {checks} checks");
    for limit in [0, 1, 2, checks / 2, checks - 1] {
        assert!(matches!(train(limit), Err(Error::Cancelled)), "{limit} of {checks} checks");
        assert!(asked.load(Ordering::Relaxed) <= limit + 3, "went on after check {limit}");
    }
    assert_eq!(train(checks).unwrap(), whole);
}
