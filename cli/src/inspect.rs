//! `vecodec inspect` describes a file from its header.

use std::path::Path;

use serde_json::{Map, Value};
use vecodec::{Activation, ModelConfig};

use crate::args::InspectArgs;
use crate::data::{DataReader, Format, is_pipe, tensors};
use crate::decode;
use crate::engine;
use crate::error::{CliError, Result};
use crate::numbers::number;
use crate::output;

/// Names and values. In JSON, the names have underscores instead of spaces.
type Lines = Vec<(&'static str, Value)>;

pub fn run(args: &InspectArgs) -> Result<()> {
    let path = args.file.as_path();
    let lines = match Format::of(path) {
        _ if is_pipe(path) => data(args)?,
        // Models and codes may have any extension that names no data file.
        Ok(Format::Safetensors) | Err(_) => match tensors::kind_of(path)?.as_deref() {
            Some("model") => model(path)?,
            Some("codes") => codes(path)?,
            Some(kind) => {
                let detail = format!(
                    "is a vecodec {kind}, which this version does not know: update vecodec"
                );
                return Err(CliError::file(path, detail));
            }
            None => data(args)?,
        },
        Ok(_) => data(args)?,
    };
    if args.json {
        let entry = |(name, value): (&str, Value)| (name.replace(' ', "_"), value);
        return output::json(&lines.into_iter().map(entry).collect::<Map<_, _>>());
    }
    let text = |value: Value| match value {
        Value::String(text) => text,
        // Of the numbers, the ratio alone is no count.
        Value::Number(ratio) if ratio.is_f64() => number(ratio.as_f64().unwrap_or_default(), 2),
        other => other.to_string(),
    };
    let lines: Vec<_> = lines.into_iter().map(|(name, value)| (name, text(value))).collect();
    output::table(&lines)
}

fn model(path: &Path) -> Result<Lines> {
    let model = engine::model(path)?;
    let weights = model.weights();
    let biases = match (&weights.encoder_bias, &weights.decoder_bias) {
        (Some(_), Some(_)) => "encoder, decoder",
        (Some(_), None) => "encoder",
        (None, Some(_)) => "decoder",
        (None, None) => "none",
    };
    let mut lines = vec![("kind", "model".into())];
    lines.extend(config(model.config()));
    if let Some(bits_per_latent) = model.bits_per_latent() {
        let of = |bits: u8| bits_per_latent.iter().filter(|width| **width == bits).count();
        let counts = (1..=8).rev().filter(|bits| of(*bits) > 0);
        let text: Vec<String> = counts.map(|bits| format!("{} x {bits}", of(bits))).collect();
        lines.push(("latents x bits", text.join(", ").into()));
    }
    lines.push(("biases", biases.into()));
    lines.push(("fingerprint", model.fingerprint().to_string().into()));
    Ok(lines)
}

fn codes(path: &Path) -> Result<Lines> {
    let codes = decode::open(path)?;
    let mut lines = vec![("kind", "codes".into()), ("rows", codes.row_count().into())];
    lines.extend(config(codes.config()));
    lines.push(("model fingerprint", codes.fingerprint().to_string().into()));
    Ok(lines)
}

fn data(args: &InspectArgs) -> Result<Lines> {
    let data = DataReader::open(&args.file, args.tensor.name())?;
    Ok(vec![
        ("kind", "data".into()),
        ("format", data.format().to_string().into()),
        ("rows", data.row_count().into()),
        ("dim", data.dim().into()),
        ("type", data.cells().to_string().into()),
        ("bytes per row", data.row_bytes().into()),
    ])
}

fn config(config: &ModelConfig) -> Lines {
    let activation = match config.activation() {
        Activation::Identity => "identity".to_owned(),
        Activation::Relu => "relu".to_owned(),
        other => format!("{other:?}"),
    };
    vec![
        ("dim", config.dim.into()),
        ("latent", config.latent_dim.into()),
        ("activation", activation.into()),
        ("normalized latent", config.normalized_latent().into()),
        ("bytes per row", config.code_size().into()),
        ("compression ratio", f64::from(config.compression_ratio()).into()),
    ]
}
