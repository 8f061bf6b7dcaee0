//! Models on disk.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::Model;
use super::config::ModelConfig;
use super::options::{Activation, Coding, RowNorm};
use super::weights::{DECODER, DECODER_BIAS, ENCODER, ENCODER_BIAS, Weights, tensor_shape};
use crate::bit_codes::{BitPlan, MAX_WIDTH};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tensors::{Reader, Spec, Writer};

/// The layout of models and codes of 8 bits, and that of bit codes, the newest this version
/// reads.
const VERSION: u32 = 1;
const BIT_CODES_VERSION: u32 = 2;

/// Tensors of a bit plan: U8 `[latent]`, F32 `[latent]`, and F32 `[entries]` a width.
const WIDTHS: &str = "stream.widths";
const STEPS: &str = "stream.steps";
const TABLES: [&str; MAX_WIDTH + 1] = [
    "",
    "stream.table.1",
    "stream.table.2",
    "stream.table.3",
    "stream.table.4",
    "stream.table.5",
    "stream.table.6",
    "stream.table.7",
    "stream.table.8",
];

/// A configuration in the metadata of models and codes.
#[derive(Serialize, Deserialize)]
pub(crate) struct ConfigRecord {
    kind: String,
    version: u32,
    dim: usize,
    latent_dim: usize,
    activation: String,
    normalized_latent: bool,
    #[serde(rename = "stream", default, skip_serializing_if = "Option::is_none")]
    bit_codes: Option<BitCodesRecord>,
    /// The model's fingerprint.
    model: String,
}

#[derive(Serialize, Deserialize)]
struct BitCodesRecord {
    /// Bytes of a code, a scale's included.
    bytes: usize,
    /// Of the trellis; none if scalar.
    states: Option<usize>,
    #[serde(rename = "row_scale")]
    row_norm: bool,
}

impl ConfigRecord {
    pub(crate) fn new(kind: &str, config: &ModelConfig, model: Fingerprint) -> Self {
        let bit_codes = config.as_bits().map(|bits| BitCodesRecord {
            bytes: bits.bytes,
            states: match bits.coding {
                Coding::Scalar => None,
                Coding::Trellis { states } => Some(states),
            },
            row_norm: config.has_row_scales(),
        });
        let activation = match config.activation() {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
        };
        Self {
            kind: kind.to_owned(),
            version: if bit_codes.is_some() { BIT_CODES_VERSION } else { VERSION },
            dim: config.dim,
            latent_dim: config.latent_dim,
            activation: activation.to_owned(),
            normalized_latent: config.normalized_latent(),
            bit_codes,
            model: model.to_string(),
        }
    }

    /// Reads and checks the record of a file of this kind.
    pub(crate) fn read(kind: &str, reader: &Reader) -> Result<(ModelConfig, Fingerprint)> {
        let fail = |detail: String| Err(Error::format(reader.path(), detail));
        let record: Self = reader.record(kind)?;
        if record.kind != kind {
            // The file's own words may hold line breaks and commands for a terminal.
            return fail(format!("holds {:?}, and a {kind} was expected", record.kind));
        }
        if record.version == 0 || record.version > BIT_CODES_VERSION {
            return fail(format!(
                "has layout version {}, and this version of vecodec reads up to {BIT_CODES_VERSION}: \
                 update vecodec",
                record.version
            ));
        }
        let activation = match record.activation.as_str() {
            "identity" => Activation::Identity,
            "relu" => Activation::Relu,
            other => return fail(format!("names an unknown activation {other:?}")),
        };
        let model: Fingerprint =
            record.model.parse().map_err(|e: Error| Error::format(reader.path(), e.to_string()))?;
        let config = match record.bit_codes {
            None => ModelConfig::int8(record.dim, record.latent_dim)
                .with_activation(activation)
                .with_normalized_latent(record.normalized_latent)
                .into(),
            Some(_) if activation != Activation::Identity || record.normalized_latent => {
                return fail("has bit codes of a latent that is not linear".to_owned());
            }
            Some(BitCodesRecord { bytes, states, row_norm }) => {
                let coding = states.map_or(Coding::Scalar, |states| Coding::Trellis { states });
                let row_norm = if row_norm { RowNorm::Store } else { RowNorm::Omit };
                let bits = ModelConfig::bits(record.dim, bytes);
                let bits = bits.with_coding(coding).with_row_norm(row_norm);
                ModelConfig::from(bits).with_latent_dim(record.latent_dim)
            }
        };
        config.validate().map_err(|e| Error::format(reader.path(), e.to_string()))?;
        Ok((config, model))
    }
}

impl Model {
    /// Writes a safetensors file: `encoder.weight [latent, dim]`, `decoder.weight [dim, latent]`,
    /// the biases that exist, and the configuration as metadata. The file appears whole or not at
    /// all; the same model gives the same bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let config = self.config();
        let spec = |(name, _)| Spec { name, dtype: Dtype::F32, shape: tensor_shape(name, config) };
        let mut specs: Vec<Spec> = self.weights().tensors().map(spec).collect();
        if let Some(plan) = self.plan() {
            let f32s = |name, len| Spec { name, dtype: Dtype::F32, shape: vec![len] };
            let tables = tables(plan).map(|(name, table)| f32s(name, table.len()));
            specs.extend(tables.chain([f32s(STEPS, plan.latents())]));
            specs.push(Spec { name: WIDTHS, dtype: Dtype::U8, shape: vec![plan.latents()] });
        }
        let record = ConfigRecord::new("model", config, self.fingerprint());
        let mut writer = Writer::create(path.as_ref(), &record, specs)?;
        for (name, values) in self.weights().tensors() {
            writer.write(name, 0, bytemuck::cast_slice(values))?;
        }
        if let Some(plan) = self.plan() {
            for (name, values) in tables(plan).chain([(STEPS, plan.steps())]) {
                writer.write(name, 0, bytemuck::cast_slice(values))?;
            }
            writer.write(WIDTHS, 0, plan.bits_per_latent())?;
        }
        writer.finish()
    }

    /// Reads what [`Model::save`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, is no model file, or its tensors do not fit its configuration.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::open(path.as_ref())?;
        let (config, fingerprint) = ConfigRecord::read("model", &reader)?;
        let mut tensor = |name| {
            reader.expect(name, Dtype::F32, &tensor_shape(name, &config))?;
            reader.read_f32(name)
        };
        let (encoder, decoder) = (tensor(ENCODER)?, tensor(DECODER)?);
        let mut optional = |name| {
            reader.info(name).is_some().then(|| {
                reader.expect(name, Dtype::F32, &tensor_shape(name, &config))?;
                reader.read_f32(name)
            })
        };
        let encoder_bias = optional(ENCODER_BIAS).transpose()?;
        let decoder_bias = optional(DECODER_BIAS).transpose()?;
        let weights = Weights { encoder, encoder_bias, decoder, decoder_bias };
        let plan = match config.bytes() {
            None => None,
            Some(_) => Some(read_plan(&config, &mut reader)?),
        };
        let model = Self::from_parts(config, weights, plan)
            .map_err(|e| Error::format(reader.path(), e.to_string()))?;
        if model.fingerprint() != fingerprint {
            let detail = "its weights do not match its fingerprint: the file was altered";
            return Err(Error::format(reader.path(), detail));
        }
        Ok(model)
    }
}

/// The tables that are there, by their tensor's name.
fn tables(plan: &BitPlan) -> impl Iterator<Item = (&'static str, &[f32])> {
    let table = |width: usize| (TABLES[width], plan.table(width as u8));
    (1..=MAX_WIDTH).map(table).filter(|(_, table)| !table.is_empty())
}

fn read_plan(config: &ModelConfig, reader: &mut Reader) -> Result<BitPlan> {
    let latents = config.latent_dim;
    reader.expect(WIDTHS, Dtype::U8, &[latents])?;
    reader.expect(STEPS, Dtype::F32, &[latents])?;
    let mut bits_per_latent = vec![0; latents];
    reader.read(WIDTHS, 0, &mut bits_per_latent)?;
    let steps = reader.read_f32(STEPS)?;
    let window = config.window();
    let mut tables = vec![Vec::new(); MAX_WIDTH + 1];
    for (width, table) in tables.iter_mut().enumerate().skip(1) {
        if reader.info(TABLES[width]).is_some() {
            reader.expect(TABLES[width], Dtype::F32, &[1 << window.bits(width as u8)])?;
            *table = reader.read_f32(TABLES[width])?;
        }
    }
    BitPlan::new(window, bits_per_latent, steps, tables)
        .map_err(|e| Error::format(reader.path(), e.to_string()))
}
