//! The definition of a model, in plain `f64` loops. It must stay simple rather than fast.

use vecodec::{Activation, Codes, Model};

/// Rows as they should be encoded.
pub struct Encoded {
    /// `[rows, latent]`
    pub codes: Vec<i32>,
    /// `[rows, latent]`, the codes before rounding: a near tie may round either way
    pub unrounded: Vec<f64>,
    /// `[rows]`, with the norm of a normalised latent folded in
    pub scales: Vec<f64>,
}

/// `We x + be`, before the activation.
pub fn projected(model: &Model, row: &[f32]) -> Vec<f64> {
    let weights = model.weights().unwrap();
    affine(&weights.encoder, weights.encoder_bias.as_deref(), &widened(row))
}

/// The latent of one row after the activation, not normalised.
pub fn activated(model: &Model, row: &[f32]) -> Vec<f64> {
    let mut z = projected(model, row);
    if model.config().activation() == Activation::Relu {
        for z in &mut z {
            if *z < 0.0 {
                *z = 0.0;
            }
        }
    }
    z
}

/// The latents of all rows, as `encode_latent` gives them.
pub fn latents(model: &Model, rows: &[f32]) -> Vec<f64> {
    let mut out = Vec::new();
    for row in rows.chunks(model.config().dim) {
        let z = activated(model, row);
        let norm = if model.config().normalized_latent() { norm(&z) } else { 1.0 };
        for z in z {
            out.push(if norm > 0.0 { z / norm } else { 0.0 });
        }
    }
    out
}

pub fn encode(model: &Model, rows: &[f32]) -> Encoded {
    let mut encoded = Encoded { codes: vec![], unrounded: vec![], scales: vec![] };
    for row in rows.chunks(model.config().dim) {
        let mut z = activated(model, row);
        let mut magnitude = 1.0;
        if model.config().normalized_latent() && norm(&z) > 0.0 {
            magnitude = norm(&z);
            for z in &mut z {
                *z /= magnitude;
            }
        }
        let max = z.iter().fold(0.0, |max: f64, z| max.max(z.abs()));
        let scale = max / 127.0;
        let vanishes = scale * magnitude < f64::from(f32::MIN_POSITIVE);
        encoded.scales.push(if vanishes { 0.0 } else { scale * magnitude });
        for z in z {
            let unrounded = if vanishes { 0.0 } else { z / scale };
            encoded.unrounded.push(unrounded);
            encoded.codes.push(unrounded.round_ties_even().clamp(-127.0, 127.0) as i32);
        }
    }
    encoded
}

/// What these very codes decode to.
pub fn decode(model: &Model, codes: &Codes) -> Vec<f64> {
    let latent_dim = model.config().latent_dim;
    let mut out = Vec::new();
    for (row, packed) in codes.as_bytes().chunks(latent_dim).enumerate() {
        let scale = match codes.scales() {
            [scale] => f64::from(*scale),
            scales => f64::from(scales[row]),
        };
        let mut z = Vec::new();
        for &byte in packed {
            z.push(f64::from(byte as i8) * scale);
        }
        out.extend(decode_row(model, &z));
    }
    out
}

pub fn decode_latents(model: &Model, latents: &[f32]) -> Vec<f64> {
    let mut out = Vec::new();
    for z in latents.chunks(model.config().latent_dim) {
        out.extend(decode_row(model, &widened(z)));
    }
    out
}

fn decode_row(model: &Model, z: &[f64]) -> Vec<f64> {
    let weights = model.weights().unwrap();
    affine(&weights.decoder, weights.decoder_bias.as_deref(), z)
}

/// `W x + b`, `W` row-major.
fn affine(weights: &[f32], bias: Option<&[f32]>, x: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for (i, w) in weights.chunks(x.len()).enumerate() {
        let mut sum = 0.0;
        for (w, x) in w.iter().zip(x) {
            sum += f64::from(*w) * x;
        }
        out.push(sum + bias.map_or(0.0, |bias| f64::from(bias[i])));
    }
    out
}

pub fn norm(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for v in values {
        sum += v * v;
    }
    sum.sqrt()
}

pub fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}
