//! `vecodec inspect` describes a file from its header.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use vecodec::data::{DataReader, Format, is_pipe, kind_of};
use vecodec::{Activation, Model, ModelConfig};

use crate::args::InspectArgs;
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
        Ok(Format::Safetensors) | Err(_) => match kind_of(path)?.as_deref() {
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
        // Counts are integers.
        Value::Number(ratio) if ratio.is_f64() => number(ratio.as_f64().unwrap_or_default(), 2),
        other => other.to_string(),
    };
    let lines: Vec<_> = lines.into_iter().map(|(name, value)| (name, text(value))).collect();
    output::table(&lines)
}

fn model(path: &Path) -> Result<Lines> {
    let model = engine::model(path)?;
    let mut lines = vec![("kind", "model".into())];
    lines.extend(config(model.config()));
    if model.config().bytes().is_some() {
        lines.push(("regions", model.region_count().into()));
        lines.push(("latents x bits", bits(&model).into()));
    }
    if let Some(weights) = model.weights() {
        let biases = match (&weights.encoder_bias, &weights.decoder_bias) {
            (Some(_), Some(_)) => "encoder, decoder",
            (Some(_), None) => "encoder",
            (None, Some(_)) => "decoder",
            (None, None) => "none",
        };
        lines.push(("biases", biases.into()));
    }
    if let Some(facts) = model.fit_facts() {
        lines.push(("rows of the fit", facts.rows.into()));
        lines.push(("relative mse of the fit", facts.relative_mse.into()));
    }
    lines.push(("fingerprint", model.fingerprint().to_string().into()));
    Ok(lines)
}

/// How many latents have how many bits. Of several regions these are means.
fn bits(model: &Model) -> String {
    let regions = model.region_count();
    let mut counts = BTreeMap::new();
    for bits in (0..regions).filter_map(|region| model.bits_per_latent(region)).flatten() {
        // Bits come in halves.
        *counts.entry((2.0 * bits) as u32).or_insert(0) += 1;
    }
    let line = |(half_bits, count): (&u32, &usize)| {
        let mean = *count as f64 / regions as f64;
        let decimals = if regions == 1 { 0 } else { 1 };
        format!("{mean:.decimals$} x {}", f64::from(*half_bits) / 2.0)
    };
    counts.iter().rev().map(line).collect::<Vec<_>>().join(", ")
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
