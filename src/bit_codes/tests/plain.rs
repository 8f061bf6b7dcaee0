//! The search against plain loops over integers, and against exact costs.

use super::super::costs::cost_scale;
use super::*;

/// What the search does, one row and one state at a time: all lanes and all ways through the vectors
/// must find the same.
#[test]
fn vectors_find_what_plain_integers_find() {
    for (window, half_bits) in [
        (Window::Last(8), &[16, 14, 12, 10, 10, 8, 8, 6, 6, 4, 4, 3, 3, 2, 2, 2, 1, 1, 1, 1][..]),
        (Window::Last(5), &[10, 8, 8, 6, 6, 4, 4, 4, 3, 2, 2, 1, 1]),
        (Window::Last(10), &[20, 20, 6, 4, 2, 2]),
    ] {
        let plan = plan(window, Layout::Packed, half_bits, 3);
        for magnitude in [1.0, 30.0] {
            let latents: Vec<f32> =
                numbers(45 * plan.latents(), 11).iter().map(|z| z * magnitude).collect();
            let packed_rows = encoded(&plan, &latents);
            let rows = latents.chunks(plan.latents()).zip(packed_rows.chunks(plan.code_bytes()));
            for (row, packed) in rows {
                let expected = plain_search(&plan, row, plain_increments, 32767);
                assert_eq!(packed, expected, "{window:?} {magnitude}");
            }
        }
    }
}

/// The increments of the costs of all states by a symbol.
fn plain_increments(plan: &BitPlan, symbol: &Symbol, row: &[f32]) -> Vec<i64> {
    let (scale, states) = (cost_scale(plan), 1 << plan.window().state_bits());
    let mut increments = vec![0; states];
    for latent in 0..symbol.rate.latents() {
        let mut levels = vec![0; states];
        costs::set_levels(plan, symbol, latent, scale, &mut levels);
        let levels: Vec<i64> = levels.into_iter().map(i64::from).collect();
        let (lowest, highest) = (*levels.iter().min().unwrap(), *levels.iter().max().unwrap());
        let margin = i64::from(costs::MARGIN);
        let goal = (row[symbol.latent + latent] * scale).round_ties_even() as i64;
        let target = goal.clamp(lowest - margin, highest + margin);
        let span = highest - lowest + margin;
        let slope = (goal - target).abs().min((1 << 29) / span).min(65535);
        let shift = (0..).find(|shift| span >> shift <= 16383).unwrap();
        for (increment, level) in increments.iter_mut().zip(levels) {
            let f = |e: i64| match e {
                near if near <= 32767 => (near * near) >> 16,
                far => 16384 + ((far - 32768) >> shift),
            };
            let e = (target - level).abs();
            let of_latent = (f(e) + ((e * slope) >> 15)).min(32767);
            *increment = (*increment + of_latent).min(32767);
        }
    }
    increments
}

/// The same without any rounding or limit: squared errors, in units of a millionth.
fn exact_increments(plan: &BitPlan, symbol: &Symbol, row: &[f32]) -> Vec<i64> {
    let mut increments = vec![0; 1 << plan.window().state_bits()];
    for latent in 0..symbol.rate.latents() {
        let (z, step) = (row[symbol.latent + latent], plan.steps()[symbol.latent + latent]);
        let table = plan.tables().latent_table(symbol.rate, latent);
        for (increment, value) in increments.iter_mut().zip(table) {
            *increment += (1e6 * f64::from(z - step * value).powi(2)) as i64;
        }
    }
    increments
}

type PlainIncrements = fn(&BitPlan, &Symbol, &[f32]) -> Vec<i64>;

fn plain_search(
    plan: &BitPlan,
    row: &[f32],
    increments: PlainIncrements,
    max_cost: i64,
) -> Vec<u8> {
    let state_bits = plan.window().state_bits();
    let states = 1usize << state_bits;
    let (mut costs, mut decisions) = (vec![0i64; states], Vec::new());
    let mut read_bits = 0;
    for symbol in plan.symbols() {
        let bits = symbol.rate.bits();
        let increments = increments(plan, symbol, row);
        let every_second = decisions.len() % 2 == 1;
        let least = if every_second { *costs.iter().min().unwrap() } else { 0 };
        let groups = states >> bits;
        let missing = state_bits.saturating_sub(read_bits).min(bits);
        read_bits += bits;
        let best: Vec<usize> = (0..groups)
            .map(|group| {
                let of_group = (group << bits)..(group + 1) << bits;
                let known = of_group.filter(|state| state % (1 << missing) == 0);
                known.min_by_key(|state| costs[*state]).unwrap()
            })
            .collect();
        let cost = |state: usize| costs[best[state % groups]] - least + increments[state];
        costs = (0..states).map(|state| cost(state).min(max_cost)).collect();
        decisions.push(best);
    }
    let known = (0..states).step_by(1 << state_bits.saturating_sub(read_bits));
    let mut state = known.min_by_key(|state| costs[*state]).unwrap();
    let mut packed = vec![0; plan.code_bytes()];
    for (symbol, best) in plan.symbols().iter().zip(&decisions).rev() {
        let bits = symbol.rate.bits();
        for bit in 0..bits {
            let at = symbol.end - bits + bit;
            packed[at as usize / 8] |= ((state >> (state_bits - bits + bit) & 1) as u8) << (at % 8);
        }
        state = best[state % best.len()];
    }
    packed
}

/// A plan as a fit makes it before training: all latents have about the same error.
fn gaussian_plan(half_bits: &[u8]) -> BitPlan {
    let (window, rates) = (Window::Last(8), rates(half_bits));
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in &rates {
        tables[rate.number()] = match window.is_trellis(*rate) {
            true => gaussian::trellis_table(window, *rate),
            false => gaussian::scalar_tables(rate.bits())[0].clone(),
        };
    }
    let tables = Arc::new(Tables::new(window, &tables).unwrap());
    let latent_rates = rates.iter().flat_map(|rate| std::iter::repeat_n(rate, rate.latents()));
    let steps = latent_rates.map(|rate| rate.bits_per_latent().exp2()).collect();
    BitPlan::new(tables, Layout::Packed, &rates, steps, 0, None).unwrap()
}

/// Rounded and limited costs find codes as good as exact ones, and a latent 30 times as large as its
/// table's values does not change that.
#[test]
fn limits_of_the_costs_do_no_harm() {
    for half_bits in [
        &[8, 6, 6, 4, 4, 4, 3, 3, 2, 2, 2, 2, 2, 2, 1, 1][..],
        &[16, 14, 12, 10, 10, 8, 8, 8, 6, 6, 6, 6],
    ] {
        let plan = gaussian_plan(half_bits);
        for outliers in [0, 1, 3] {
            let (mut found, mut best) = (0.0, 0.0);
            for seed in 0..60 {
                let mut latents = numbers(plan.latents(), 13 + seed);
                latents.iter_mut().zip(plan.steps()).for_each(|(z, step)| *z *= step);
                for outlier in 0..outliers {
                    let far = (seed as usize * 5 + outlier) % plan.latents();
                    latents[far] = 30.0 * plan.steps()[far];
                }
                let exact = plain_search(&plan, &latents, exact_increments, i64::MAX / 2);
                found += error(&latents, &decoded(&plan, &encoded(&plan, &latents)));
                best += error(&latents, &decoded(&plan, &exact));
            }
            // Of three outliers side by side, the limits of their slopes take a share.
            let bound = if outliers == 3 { 1.15 } else { 1.01 };
            assert!(found <= bound * best, "{outliers} outliers: {found} over {best}");
        }
    }
}
