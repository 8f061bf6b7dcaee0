//! Compares fitted models with the optimum, and fits data that needs careful numerics.

use std::time::Duration;

use vecodec::metrics::relative_mse;
use vecodec::{
    CancelToken, Codec, Coding, Error, ErrorKind, FitOptions, Model, ModelConfig, Objective,
    Regions, RowNorm, Weights,
};

use crate::algebra::{covariance, eigenvalues, least_squares_error};
use crate::data::{Options, Random};
use crate::engines::{codec, cpu};

/// Random rows that resemble embeddings: decaying variance in random directions, a mean that is not
/// zero, and norm 1.
fn embeddings(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mixing = random.normals(dim * dim, (dim as f64).powf(-0.5));
    let mean = random.normals(dim, 0.3);
    let mut out = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let sources: Vec<f64> =
            (0..dim).map(|i| random.normal() / (1.0 + i as f64).sqrt()).collect();
        let mix = |(w, m): (&[f32], &f32)| {
            w.iter().zip(&sources).map(|(w, s)| f64::from(*w) * s).sum::<f64>() + f64::from(*m)
        };
        let row: Vec<f64> = mixing.chunks(dim).zip(&mean).map(mix).collect();
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        out.extend(row.iter().map(|v| (v / norm) as f32));
    }
    out
}

/// Random rows in a random subspace of this rank, through the origin.
fn low_rank(rows: usize, dim: usize, rank: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let basis = random.normals(rank * dim, 1.0);
    let mut out = vec![0.0; rows * dim];
    for row in out.chunks_mut(dim) {
        for axis in basis.chunks(dim) {
            let weight = random.normal() as f32;
            row.iter_mut().zip(axis).for_each(|(v, a)| *v += weight * a);
        }
    }
    out
}

fn fitted(rows: &[f32], dim: usize, latent: usize, options: Options) -> Codec {
    codec(&cpu(), &Model::fit(rows, options.config(dim, latent)).unwrap())
}

/// The relative MSE of encoded and decoded rows.
fn error_of(codec: &Codec, rows: &[f32]) -> f64 {
    let decoded = codec.decode_flat(&codec.encode_flat(rows).unwrap()).unwrap();
    assert!(decoded.iter().all(|v| v.is_finite()));
    relative_mse(rows, &decoded).unwrap()
}

fn energy(rows: &[f32]) -> f64 {
    rows.iter().map(|v| f64::from(*v).powi(2)).sum()
}

#[test]
fn linear_fit_drops_the_smallest_eigenvalues_and_no_more() {
    let (dim, n, seed) = (24, 700, 111);
    let rows = embeddings(n, dim, seed);
    let values = eigenvalues(covariance(&rows, dim));
    for latent in [1, 2, 5, 12, 23, 24] {
        let codec = fitted(&rows, dim, latent, Options::PLAIN);
        let back = codec.decode_latent(&codec.encode_latent(&rows).unwrap()).unwrap();
        let error: f64 =
            rows.iter().zip(&back).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / n as f64;
        let dropped: f64 = values[latent..].iter().sum();
        // What remains when nothing is dropped is the rounding of f32.
        let slack = 1e-4 * dropped + 1e-12;
        assert!((error - dropped).abs() <= slack, "{latent} latents: {error}, dropped {dropped}");
        // Quantising to 8 bits adds little to that.
        let quantised = error_of(&codec, &rows) * energy(&rows) / n as f64;
        assert!(quantised <= dropped * 1.001 + 1e-4, "{latent} latents: {quantised}");
    }
}

/// Ten thousand rows, of which only the last thousand know of the largest variance.
#[test]
fn every_row_counts() {
    let (dim, latent, n, seed) = (8, 3, 10_000, 123);
    let mut rows = Random::new(seed).normals(n * dim, 0.01);
    for (i, row) in rows.chunks_mut(dim).enumerate() {
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        row[if i < 9000 { i % 2 } else { 5 }] += if i < 9000 { 0.1 } else { sign };
    }
    let dropped: f64 = eigenvalues(covariance(&rows, dim))[latent..].iter().sum();
    for options in [Options::PLAIN, Options::PLAIN.normalized()] {
        let error =
            error_of(&fitted(&rows, dim, latent, options), &rows) * energy(&rows) / n as f64;
        assert!(error < dropped * 1.05, "{options}: {error}, dropped {dropped}");
    }
}

#[test]
fn low_rank_data_comes_back() {
    for (dim, rank, latent, seed) in [(30, 4, 4, 112), (17, 3, 9, 113), (64, 10, 10, 114)] {
        let rows = low_rank(300, dim, rank, seed);
        for options in Options::LATENTS {
            let error = error_of(&fitted(&rows, dim, latent, options), &rows);
            let bound = if options.relu { 5e-3 } else { 1e-4 };
            assert!(error < bound, "rank {rank} of {dim}, {latent} latents, {options}: {error}");
        }
    }
}

#[test]
fn same_rows_give_the_same_model() {
    let rows = embeddings(5000, 40, 115);
    for options in Options::LATENTS {
        let fit = || Model::fit(&rows, options.config(40, 11)).unwrap();
        let first = fit();
        for _ in 0..3 {
            assert_eq!(fit().fingerprint(), first.fingerprint(), "{options}");
        }
        assert_eq!(first.config(), &options.config(40, 11));
    }
}

/// The encoder is given; no affine decoder of the quantised latents may be better by much.
#[test]
fn decoder_is_the_best_for_its_encoder() {
    let (dim, n, seed) = (20, 900, 116);
    let rows = embeddings(n, dim, seed);
    for options in Options::NONLINEAR {
        for latent in [3, 8, 20] {
            let codec = fitted(&rows, dim, latent, options);
            let codes = codec.encode_flat(&rows).unwrap();
            let mut latents = Vec::new();
            for (packed, scale) in codes.as_bytes().chunks(latent).zip(codes.scales()) {
                let scale = f64::from(*scale);
                latents.extend(packed.iter().map(|byte| f64::from(*byte as i8) * scale));
            }
            let best = least_squares_error(&latents, latent, &rows, dim);
            let found = error_of(&codec, &rows) * energy(&rows) / n as f64;
            let case = format!("{latent} latents, {options}");
            assert!(found <= best * 1.001 + 1e-9, "{case}: {found} where {best} can be had");
        }
    }
}

#[test]
fn decoder_beats_the_principal_axes_behind_a_relu() {
    let (dim, latent, seed) = (32, 8, 117);
    let rows = embeddings(2000, dim, seed);
    let linear = Model::fit(&rows, ModelConfig::int8(dim, latent)).unwrap();
    for options in [Options::PLAIN.relu(), Options::PLAIN.relu().normalized()] {
        let model = Model::fit(&rows, options.config(dim, latent)).unwrap();
        let mut weights: Weights = model.weights().unwrap().clone();
        weights.decoder.clone_from(&linear.weights().unwrap().decoder);
        weights.decoder_bias.clone_from(&linear.weights().unwrap().decoder_bias);
        let axes = Model::from_weights(model.config().clone(), weights).unwrap();
        let (found, naive) =
            (error_of(&codec(&cpu(), &model), &rows), error_of(&codec(&cpu(), &axes), &rows));
        assert!(found < naive, "{options}: {found} against {naive}");
    }
}

/// On rows that the fit has not seen, from the same source.
#[test]
fn every_activation_comes_near_the_linear_model() {
    let (dim, latent, seed) = (48, 12, 118);
    let rows = embeddings(4000, dim, seed);
    let (train, test) = rows.split_at(3000 * dim);
    let linear = error_of(&fitted(train, dim, latent, Options::PLAIN), test);
    assert!(linear > 0.01 && linear < 0.5, "{linear}");
    for options in Options::NONLINEAR {
        let error = error_of(&fitted(train, dim, latent, options), test);
        assert!(error < linear * 1.25, "{options}: {error} against {linear}");
    }
}

#[test]
fn more_latents_than_dimensions() {
    let rows = embeddings(200, 6, 119);
    for options in Options::LATENTS {
        let error = error_of(&fitted(&rows, 6, 10, options), &rows);
        assert!(error < 5e-3, "{options}: {error}");
    }
}

#[test]
fn as_many_rows_as_latents() {
    // n rows lie in a plane of n - 1 dimensions around their mean.
    for (n, dim) in [(1, 5), (2, 7), (8, 30)] {
        let rows = Random::new(120 + n as u64).normals(n * dim, 1.0);
        for options in Options::LATENTS {
            let codec = fitted(&rows, dim, n, options);
            let error = error_of(&codec, &rows);
            let bound = if options.relu { 0.05 } else { 1e-3 };
            assert!(error < bound, "{n} rows of {dim}, {options}: {error}");
        }
    }
}

#[test]
fn constant_and_zero_rows() {
    for value in [0.0f32, 1.0, -0.37, 1e12, 1e-12] {
        let row: Vec<f32> = (0..9).map(|i| value * (1.0 + i as f32)).collect();
        let rows = row.repeat(40);
        for options in Options::LATENTS {
            let codec = fitted(&rows, 9, 4, options);
            let weights = codec.model().weights().unwrap();
            assert!(weights.encoder.iter().chain(&weights.decoder).all(|w| w.is_finite()));
            let error = error_of(&codec, &rows);
            assert!(error < 1e-9, "{value:e}, {options}: {error}");
        }
    }
}

#[test]
fn fits_do_not_depend_on_the_magnitude() {
    let (dim, latent, seed) = (16, 5, 121);
    let rows = embeddings(600, dim, seed);
    for options in Options::LATENTS {
        let expected = error_of(&fitted(&rows, dim, latent, options), &rows);
        for magnitude in [1e-15f32, 1e-6, 1e6, 1e15] {
            let scaled: Vec<f32> = rows.iter().map(|v| v * magnitude).collect();
            let error = error_of(&fitted(&scaled, dim, latent, options), &scaled);
            let case = format!("magnitude {magnitude:e}, {options}");
            assert!((error / expected - 1.0).abs() < 0.01, "{case}: {error} against {expected}");
        }
    }
}

/// One direction outweighs the others by far; the others must still be found.
#[test]
fn a_large_mean_does_not_drown_the_rest() {
    let (dim, seed) = (12, 122);
    let mut rows = low_rank(500, dim, 3, seed);
    rows.iter_mut().for_each(|v| *v += 300.0);
    let codec = fitted(&rows, dim, 3, Options::PLAIN);
    let back = codec.decode_flat(&codec.encode_flat(&rows).unwrap()).unwrap();
    let error: f64 = rows.iter().zip(&back).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let spread: f64 = rows.iter().map(|v| f64::from(v - 300.0).powi(2)).sum();
    assert!(error / spread < 1e-3, "{} of what is not the mean", error / spread);
}

/// A fit that its own listener cancels hears of no later stage, and the next fit is not affected.
#[test]
fn fits_are_cancelled_from_their_progress() {
    let rows = embeddings(600, 16, 11);
    let bits = ModelConfig::bits(16, 9).with_row_norm(RowNorm::Store);
    let configs: [ModelConfig; 2] = [bits.into(), Options::PLAIN.relu().config(16, 5)];
    for config in configs {
        let expected = Model::fit(&rows, &config).unwrap().fingerprint();
        for last in [1, 2] {
            let cancel = CancelToken::new();
            let mut heard = 0;
            let listen = |_: &_| {
                heard += 1;
                if heard == last {
                    cancel.cancel();
                }
            };
            let options = FitOptions::default().with_progress(listen).with_cancel(cancel.clone());
            let error = Model::fit_with(&rows, &config, options).unwrap_err();
            assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert_eq!(heard, last);
        }
        let again = FitOptions::default().with_cancel(CancelToken::new());
        let (model, report) = Model::fit_with(&rows, &config, again).unwrap();
        assert_eq!(model.fingerprint(), expected);
        assert_eq!(report.stages.len(), 2, "{report:?}");
    }
}

#[test]
fn fits_are_cancelled_from_other_threads() {
    let rows = embeddings(4000, 96, 12);
    let config = ModelConfig::bits(96, 64).with_coding(Coding::Trellis { states: 4096 });
    let cancel = CancelToken::new();
    let mut heard = 0;
    let options = FitOptions::default().with_progress(|_| heard += 1).with_cancel(cancel.clone());
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(5));
            cancel.cancel();
        });
        Model::fit_with(&rows, config.clone(), options)
    });
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    // The first stage alone takes many times as long.
    assert_eq!(heard, 0);
    // A token that was cancelled before is noticed before anything is done.
    let options = FitOptions::default().with_progress(|_| heard += 1).with_cancel(cancel);
    assert!(Model::fit_with(&rows, config, options).is_err());
    assert_eq!(heard, 0);
}

fn hash(at: usize) -> u64 {
    (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Rows of eight values whose classes take turns: every `period`th row varies mostly in its first four
/// values, the others in their last four.
fn in_turn(rows: usize, period: usize) -> Vec<f32> {
    let mut values = Random::new(8).normals(rows * 8, 1.0);
    for (row, values) in values.chunks_mut(8).enumerate() {
        let (first, last) = values.split_at_mut(4);
        let small = if row % period == 0 { last } else { first };
        small.iter_mut().for_each(|v| *v *= 0.1);
    }
    values
}

/// A fit takes 200,000 rows. Of so many times the period, a sample
/// of even strides would be one class alone.
#[test]
fn rows_that_take_turns_are_fitted_as_if_they_were_shuffled() {
    for period in [2, 3, 7] {
        let rows = in_turn(200_000 * period, period);
        let mut order: Vec<usize> = (0..200_000 * period).collect();
        order.sort_unstable_by_key(|row| hash(*row));
        let shuffled: Vec<f32> =
            order.iter().flat_map(|row| &rows[row * 8..][..8]).copied().collect();
        let error = |training: &[f32]| {
            // Another sample may give other regions and another exponent, whatever the rows' order.
            let config = ModelConfig::bits(8, 3).with_regions(Regions::Count(1));
            let config = config.with_objective(Objective::Reconstruction);
            let config = config.with_coding(Coding::Scalar).with_row_norm(RowNorm::Omit);
            let model = Model::fit(training, config).unwrap();
            error_of(&codec(&cpu(), &model), &rows[..8 * 64_000])
        };
        let (in_turn, shuffled) = (error(&rows), error(&shuffled));
        assert!((in_turn / shuffled - 1.0).abs() < 0.05, "{period}: {in_turn}, {shuffled}");
    }
}

#[test]
fn a_seed_draws_the_same_rows_again() {
    let rows = embeddings(20_000, 6, 9);
    let fit = |seed: u64| {
        let config = ModelConfig::bits(6, 3);
        let options = FitOptions::default().with_seed(seed);
        Model::fit_with(&rows, config, options).unwrap().0.fingerprint()
    };
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2), "both seeds draw the same 16,384 of 20,000 rows");
    assert_eq!(fit(0), Model::fit(&rows, ModelConfig::bits(6, 3)).unwrap().fingerprint());
}
