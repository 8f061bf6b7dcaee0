//! What the feature `serde` writes, which other programs may read: names are pinned here.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use vecodec::{
    Activation, BitsConfig, Codec, CodecOptions, Coding, Engine, ErrorKind, Fingerprint,
    FitOptions, FitReport, Int8Config, Metrics, Model, ModelConfig, RowNorm,
};

use crate::data::Random;

/// Writes a value, compares it with what is expected, and reads it back.
fn assert_serialized<T>(value: &T, expected: serde_json::Value)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(written, expected);
    assert_eq!(&serde_json::from_value::<T>(written).unwrap(), value);
}

#[test]
fn configurations_are_written_by_name() {
    let bits = ModelConfig::bits(32, 8).with_row_norm(RowNorm::Store);
    let fields = json!({"bytes": 8, "coding": {"trellis": {"states": 256}}, "row_norm": "store"});
    assert_serialized::<ModelConfig>(
        &bits.clone().into(),
        json!({"dim": 32, "latent_dim": 32, "codes": {"bits": fields}}),
    );
    let mut fields = fields;
    fields["dim"] = json!(32);
    assert_serialized::<BitsConfig>(&bits, fields);
    let int8 = ModelConfig::int8(32, 4).with_activation(Activation::Relu);
    let fields = json!({"activation": "relu", "normalized_latent": false});
    assert_serialized::<ModelConfig>(
        &int8.clone().into(),
        json!({"dim": 32, "latent_dim": 4, "codes": {"int8": fields}}),
    );
    let mut fields = fields;
    (fields["dim"], fields["latent_dim"]) = (json!(32), json!(4));
    assert_serialized::<Int8Config>(&int8, fields);
    assert_serialized(&Coding::Scalar, json!("scalar"));
    assert_serialized(&ErrorKind::Cancelled, json!("cancelled"));
}

#[test]
fn fingerprints_are_their_text() {
    let fingerprint = Model::random(ModelConfig::int8(3, 2), 1).unwrap().fingerprint();
    assert_serialized(&fingerprint, json!(fingerprint.to_string()));
    let error = serde_json::from_value::<Fingerprint>(json!("model")).unwrap_err();
    assert!(error.to_string().contains("model"), "{error}");
}

#[test]
fn reports_and_metrics_come_back() {
    let rows = Random::new(401).normals(60 * 8, 1.0);
    let (model, report) =
        Model::fit_with(&rows, ModelConfig::bits(8, 3), FitOptions::default()).unwrap();
    let written = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<FitReport>(&written).unwrap().rows, report.rows);
    let options = CodecOptions::default().with_engine(Engine::Cpu);
    let rows: Vec<&[f32]> = rows.chunks(8).collect();
    let metrics = Codec::with_options(model, options).unwrap().evaluate(&rows).unwrap().1;
    let written = serde_json::to_value(&metrics).unwrap();
    assert!(written["relative_mse"].is_number() && written["encode_rows_per_s"].is_number());
    assert_eq!(serde_json::from_value::<Metrics>(written).unwrap().mse, metrics.mse);
}
