//! `vecodec inspect` describes a file from its header.

use std::path::Path;

use vecodec::{Activation, ModelConfig};

use crate::args::InspectArgs;
use crate::data::{DataReader, Format, is_pipe, tensors};
use crate::decode;
use crate::engine;
use crate::error::{CliError, Result};
use crate::output;

type Lines = Vec<(&'static str, String)>;

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
    let mut lines = vec![("kind", "model".to_owned())];
    lines.extend(config(model.config()));
    if let Some(bits_per_latent) = model.bits_per_latent() {
        let of = |bits: u8| bits_per_latent.iter().filter(|width| **width == bits).count();
        let counts = (1..=8).rev().filter(|bits| of(*bits) > 0);
        let text: Vec<String> = counts.map(|bits| format!("{} x {bits}", of(bits))).collect();
        lines.push(("latents x bits", text.join(", ")));
    }
    lines.push(("biases", biases.to_owned()));
    lines.push(("fingerprint", model.fingerprint().to_string()));
    Ok(lines)
}

fn codes(path: &Path) -> Result<Lines> {
    let codes = decode::open(path)?;
    let mut lines = vec![("kind", "codes".to_owned()), ("rows", codes.row_count().to_string())];
    lines.extend(config(codes.config()));
    lines.push(("model fingerprint", codes.fingerprint().to_string()));
    Ok(lines)
}

fn data(args: &InspectArgs) -> Result<Lines> {
    let data = DataReader::open(&args.file, args.tensor.name())?;
    Ok(vec![
        ("kind", format!("data ({})", data.format())),
        ("rows", data.row_count().to_string()),
        ("dim", data.dim().to_string()),
        ("type", data.cells().to_string()),
        ("bytes per row", data.row_bytes().to_string()),
    ])
}

fn config(config: &ModelConfig) -> Lines {
    let activation = match config.activation() {
        Activation::Identity => "identity".to_owned(),
        Activation::Relu => "relu".to_owned(),
        other => format!("{other:?}"),
    };
    vec![
        ("dim", config.dim.to_string()),
        ("latent", config.latent_dim.to_string()),
        ("activation", activation),
        ("normalized latent", config.normalized_latent().to_string()),
        ("bytes per row", config.code_size().to_string()),
        ("compression ratio", format!("{:.2}", config.compression_ratio())),
    ]
}
