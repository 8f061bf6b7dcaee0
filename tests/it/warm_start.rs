//! Fits that start from an old model.

use vecodec::{
    BitsConfig, CancelToken, Coding, Error, FitOptions, Model, ModelConfig, Objective, Regions,
    RowNorm,
};

use crate::data::Random;
use crate::engines::{codec, cpu};

const DIM: usize = 32;

/// Rows in eight clusters, each with an axis of its own, that have moved by `drift`. They lie so far apart
/// that every fit finds them.
fn rows(count: usize, drift: f32, seed: u64) -> Vec<f32> {
    let mut values = Random::new(seed).normals(count * DIM, 0.3);
    for (number, row) in values.chunks_mut(DIM).enumerate() {
        let cluster = number % 8;
        row[4 * cluster] *= 4.0;
        row[4 * cluster + 1] += 40.0 + drift;
        row[2 * cluster + 1] += drift;
    }
    values
}

fn config() -> BitsConfig {
    config_of(12)
}

fn config_of(bytes: usize) -> BitsConfig {
    ModelConfig::bits(DIM, bytes).with_coding(Coding::Trellis { states: 16 })
}

fn fit(rows: &[f32], config: &BitsConfig, old: Option<&Model>) -> Model {
    let mut options = FitOptions::default();
    if let Some(old) = old {
        options = options.with_warm_start(old);
    }
    Model::fit_with(rows, config.clone(), options).unwrap().0
}

fn error(model: &Model, rows: &[f32]) -> f64 {
    codec(&cpu(), model).check_flat(rows).unwrap().relative_mse
}

#[test]
fn a_warm_start_is_as_good_as_a_fresh_fit() {
    let (before, after, test) = (rows(9000, 0.0, 71), rows(9000, 0.5, 72), rows(3000, 0.5, 73));
    for objective in [Objective::Reconstruction, Objective::Search] {
        let config = config().with_objective(objective).with_regions(Regions::Count(8));
        let old = fit(&before, &config, None);
        // It takes the number of the old model, too.
        let config = config.with_regions(Regions::Auto);
        let (fresh, warm) = (fit(&after, &config, None), fit(&after, &config, Some(&old)));
        assert_eq!(warm.region_count(), old.region_count());
        assert_eq!(warm.config().row_norm(), old.config().row_norm());
        let exponent = |model: &Model| model.fit_facts().unwrap().query_exponent;
        assert_eq!(exponent(&warm), exponent(&old));
        let errors = [&old, &fresh, &warm].map(|model| error(model, &test));
        assert!(errors[2] < 1.01 * errors[1] && errors[2] < errors[0], "{errors:?}");
        // The same rows and the same old model give the same model.
        assert_eq!(fit(&after, &config, Some(&old)).fingerprint(), warm.fingerprint());
    }
}

#[test]
fn every_coding_and_norm_starts_from_a_model_of_its_kind() {
    let (before, after, test) = (rows(2000, 0.0, 74), rows(2000, 0.3, 75), rows(900, 0.3, 76));
    for coding in [Coding::Scalar, Coding::Trellis { states: 8 }] {
        for row_norm in [RowNorm::Omit, RowNorm::Store] {
            for regions in [1, 8] {
                let config = config().with_coding(coding).with_row_norm(row_norm);
                let config = config.with_regions(Regions::Count(regions));
                let old = fit(&before, &config, None);
                let warm = fit(&after, &config, Some(&old));
                let [fresh, warm] = [&fit(&after, &config, None), &warm].map(|m| error(m, &test));
                assert!(warm < 1.05 * fresh, "{config:?}: {warm} and {fresh}");
            }
        }
    }
}

#[test]
fn models_of_another_shape_are_refused_before_any_work() {
    let train = rows(1200, 0.0, 77);
    let config = config().with_regions(Regions::Count(2)).with_row_norm(RowNorm::Omit);
    let old = fit(&train, &config, None);
    let refused = |config: ModelConfig, old: &Model| {
        // It is refused before the fit could notice this.
        let cancel = CancelToken::new();
        cancel.cancel();
        let options = FitOptions::default().with_warm_start(old).with_cancel(cancel);
        Model::fit_with(&train, config, options).unwrap_err()
    };
    let wide = Model::fit(&train, ModelConfig::bits(DIM / 2, 12)).unwrap();
    let other_states = config.clone().with_coding(Coding::Trellis { states: 8 });
    let int8 = Model::fit(&train, ModelConfig::int8(DIM, 4)).unwrap();
    for (config, old, what, expected, found) in [
        (config.clone(), &wide, "values per row", DIM, DIM / 2),
        (config_of(16), &old, "bytes per row", 16, 12),
        (other_states, &old, "states of the trellis", 8, 16),
        (config.clone().with_coding(Coding::Scalar), &old, "states of the trellis", 1, 16),
        (config.clone().with_regions(Regions::Count(3)), &old, "regions", 3, 2),
        (config.clone().with_row_norm(RowNorm::Store), &old, "bytes of a row's norm", 4, 0),
    ] {
        let error = refused(config.into(), old);
        let Error::WarmStart { what: said, expected: e, found: f, .. } = error else {
            panic!("{what}: {error}");
        };
        assert!(said.starts_with(what) && (e, f) == (expected, found), "{error}");
    }
    let error = refused(config.clone().into(), &int8);
    let Error::InvalidConfig { field: "bytes", value: 12, remedy, .. } = error else {
        panic!("{error}");
    };
    assert!(remedy.contains("has 8-bit codes"));
    let error = refused(ModelConfig::int8(DIM, 4).into(), &old);
    let Error::InvalidConfig { field: "latent_dim", value: 4, remedy, .. } = error else {
        panic!("{error}");
    };
    assert!(remedy.contains("closed form"));
    assert_eq!(fit(&train, &config, None).fingerprint(), old.fingerprint());
}
