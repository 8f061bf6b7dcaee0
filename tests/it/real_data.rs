//! The errors that fits must reach on sentence embeddings of WordNet's glosses, on either engine.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

use vecodec::metrics::{mean_cosine, relative_mse};
use vecodec::{
    CodecOptions, Coding, EncodeOptions, FitOptions, Model, ModelConfig, Objective, Regions,
};

use crate::data::Options;
use crate::engines::{codec, cpu, gpu};

static TRAIN: LazyLock<Vec<f32>> = LazyLock::new(|| read("train"));
static TEST: LazyLock<Vec<f32>> = LazyLock::new(|| read("test"));

fn read(part: &str) -> Vec<f32> {
    let name = format!("wordnet-minilm-384.{part}.npy");
    let path = Path::new(env!("VECODEC_TEST_DATA_DIR")).join(name);
    let file = npyz::NpyFile::new(BufReader::new(File::open(path).unwrap())).unwrap();
    assert_eq!(file.shape()[1], 384);
    file.into_vec().unwrap()
}

fn fitted(latent: usize, options: Options) -> Model {
    Model::fit(&TRAIN, options.config(384, latent)).unwrap()
}

/// The relative MSE and mean cosine of the test rows, which no fit has seen.
fn figures(engine: &CodecOptions, model: &Model) -> (f64, f64) {
    let codec = codec(engine, model);
    let decoded = codec.decode_flat(&codec.encode_flat(&TEST).unwrap()).unwrap();
    (relative_mse(&TEST, &decoded).unwrap(), mean_cosine(&TEST, &decoded, 384).unwrap())
}

#[test]
#[cfg_attr(not(shared_data), ignore = "no data: point VECODEC_TEST_DATA at its folder")]
fn linear_fit_reaches_its_figures() {
    for (latent, bound) in [(64, 0.445), (128, 0.235)] {
        let (error, cosine) = figures(&cpu(), &fitted(latent, Options::PLAIN));
        assert!(error <= bound, "{latent} latents: relative error {error}");
        // A decoded row is nearly the projection of a row of norm 1, so its cosine is its norm.
        assert!((cosine - (1.0 - error).sqrt()).abs() < 0.02, "{latent} latents: {cosine}");
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "no data: point VECODEC_TEST_DATA at its folder")]
fn bit_codes_reach_their_figures() {
    let trellis = Coding::Trellis { states: 256 };
    for (bytes, coding, bound) in [
        (64, Coding::Scalar, 0.094),
        (32, trellis, 0.180),
        (64, trellis, 0.067),
        (128, trellis, 0.0122),
    ] {
        let config = ModelConfig::bits(384, bytes).with_coding(coding);
        let config = config.with_objective(Objective::Reconstruction);
        let config = config.with_regions(Regions::Count(16));
        let model = Model::fit(&TRAIN, config.clone()).unwrap();
        let (error, _) = figures(&cpu(), &model);
        assert!(error <= bound, "{bytes} bytes, {coding:?}: relative error {error}");
        assert_no_drift(&model);
        if (bytes, coding) == (64, trellis) {
            // An old model of half of the rows.
            let old = Model::fit(&TRAIN[..TRAIN.len() / 2], config.clone()).unwrap();
            let options = FitOptions::default().with_warm_start(&old);
            let (warm, _) = Model::fit_with(&TRAIN, config, options).unwrap();
            let (warm, _) = figures(&cpu(), &warm);
            assert!(warm <= 1.01 * error, "{warm} from an old model, and {error} afresh");
        }
    }
}

/// The test rows are of the kind of the fit, and the same rows are not if nobody normalises them.
fn assert_no_drift(model: &Model) {
    let codec = codec(&cpu(), model);
    let drift = codec.check_flat(&TEST).unwrap();
    assert!((0.97..1.06).contains(&drift.ratio()), "{drift:?}");
    assert!(drift.clipped_rows <= drift.rows / 1000, "{drift:?}");
    let long: Vec<f32> = TEST.iter().map(|v| 5.0 * v).collect();
    let (_, report) = codec.encode_flat_with(&long, EncodeOptions::default()).unwrap();
    assert_eq!(report.clipped_rows, report.rows);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "no data: point VECODEC_TEST_DATA at its folder")]
fn presets_come_near_the_linear_fit() {
    for preset in [ModelConfig::minilm(), ModelConfig::high_compression(384)] {
        let model = Model::fit(&TRAIN, preset).unwrap();
        let (error, _) = figures(&cpu(), &model);
        assert!(error <= 0.445 * 1.1, "{:?}: relative error {error}", model.config());
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "no data: point VECODEC_TEST_DATA at its folder")]
#[cfg_attr(
    all(shared_data, skip_gpu_tests),
    ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set"
)]
fn engines_agree_to_three_digits() {
    let both = Options::PLAIN.relu().normalized();
    for (latent, options) in [(64, Options::PLAIN), (128, Options::PLAIN), (64, both)] {
        let model = fitted(latent, options);
        let (left, right) = (figures(&cpu(), &model), figures(&gpu(), &model));
        for (left, right) in [(left.0, right.0), (left.1, right.1)] {
            assert!((left - right).abs() < 5e-4 * left, "{latent} latents: {left} against {right}");
        }
    }
}
