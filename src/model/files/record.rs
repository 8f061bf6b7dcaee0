//! What the metadata of a file says: the configuration of a model, and its fingerprint.

use serde::{Deserialize, Serialize};

use super::super::config::ModelConfig;
use super::super::options::{Activation, BitFormat, Coding, Objective, Regions, RowNorm};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tensors::Reader;

/// The layout of models of 8-bit codes, that of models of bit codes without regions, and that of models
/// of bit codes with regions.
const VERSION: u32 = 1;
const BIT_CODES_VERSION: u32 = 2;
const REGIONS_VERSION: u32 = 3;
/// The layout of codes in segments, of any model. Codes of earlier versions have no segments.
const SEGMENTS_VERSION: u32 = 3;
/// The newest version that is read.
const NEWEST_VERSION: u32 = 3;

/// A configuration in the metadata of models and codes.
#[derive(Serialize, Deserialize)]
pub(crate) struct ConfigRecord {
    kind: String,
    version: u32,
    dim: usize,
    latent_dim: usize,
    activation: String,
    normalized_latent: bool,
    /// Of version 2.
    #[serde(rename = "stream", default, skip_serializing_if = "Option::is_none")]
    v2_bits: Option<BitCodesRecord>,
    /// Of version 3.
    #[serde(rename = "bits", default, skip_serializing_if = "Option::is_none")]
    bits: Option<RegionsRecord>,
    /// Of codes of version 3: rows that share a checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment_rows: Option<usize>,
    /// The model's fingerprint.
    model: String,
}

/// Bit codes of version 2.
#[derive(Serialize, Deserialize)]
struct BitCodesRecord {
    /// Bytes of a code, a scale's included.
    bytes: usize,
    /// Of the trellis; none if scalar.
    states: Option<usize>,
    #[serde(rename = "row_scale")]
    row_norm: bool,
}

/// Bit codes of version 3.
#[derive(Serialize, Deserialize)]
struct RegionsRecord {
    /// Bytes of a code, a norm's included.
    bytes: usize,
    /// Of the trellis; none if scalar.
    states: Option<usize>,
    row_norm: bool,
    regions: usize,
    /// `reconstruction` or `search`.
    objective: String,
}

impl ConfigRecord {
    pub(crate) fn of_model(config: &ModelConfig, model: Fingerprint) -> Self {
        Self::new("model", config, model)
    }

    /// The record of codes of version 3.
    pub(crate) fn of_codes(config: &ModelConfig, model: Fingerprint, segment_rows: usize) -> Self {
        let record = Self::new("codes", config, model);
        Self { version: SEGMENTS_VERSION, segment_rows: Some(segment_rows), ..record }
    }

    fn new(kind: &str, config: &ModelConfig, model: Fingerprint) -> Self {
        let states = match config.coding() {
            Some(Coding::Trellis { states }) => Some(states),
            Some(Coding::Scalar) | None => None,
        };
        let (bytes, row_norm) = (config.bytes().unwrap_or(0), config.has_row_scales());
        let regions = config.region_count();
        let (version, v2_bits, bits) = match config.format() {
            None => (VERSION, None, None),
            Some(BitFormat::V2) => {
                (BIT_CODES_VERSION, Some(BitCodesRecord { bytes, states, row_norm }), None)
            }
            Some(BitFormat::V3) => {
                let objective = match config.objective() {
                    Some(Objective::Search) => "search",
                    Some(Objective::Reconstruction) | None => "reconstruction",
                };
                let objective = objective.to_owned();
                let record = RegionsRecord { bytes, states, row_norm, regions, objective };
                (REGIONS_VERSION, None, Some(record))
            }
        };
        let activation = match config.activation() {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
        };
        Self {
            kind: kind.to_owned(),
            version,
            dim: config.dim,
            latent_dim: config.latent_dim,
            activation: activation.to_owned(),
            normalized_latent: config.normalized_latent(),
            v2_bits,
            bits,
            segment_rows: None,
            model: model.to_string(),
        }
    }

    /// Reads and checks the record of a model's file.
    pub(crate) fn read_model(reader: &Reader) -> Result<(ModelConfig, Fingerprint)> {
        Self::read("model", reader)?.into_config(reader)
    }

    /// Reads and checks the record of a file of codes. The last number is that of the rows of a segment;
    /// earlier versions have none.
    pub(crate) fn read_codes(reader: &Reader) -> Result<(ModelConfig, Fingerprint, Option<usize>)> {
        let record = Self::read("codes", reader)?;
        let segment_rows = record.segment_rows;
        if segment_rows.is_some() != (record.version == SEGMENTS_VERSION) || segment_rows == Some(0)
        {
            let detail = match segment_rows {
                Some(rows) => format!("has segments of {rows} rows in version {}", record.version),
                None => "does not say how many rows a segment has".to_owned(),
            };
            return Err(Error::format(reader.path(), detail));
        }
        let (config, model) = record.into_config(reader)?;
        Ok((config, model, segment_rows))
    }

    fn read(kind: &str, reader: &Reader) -> Result<Self> {
        let fail = |detail: String| Err(Error::format(reader.path(), detail));
        let record: Self = reader.record(kind)?;
        if record.kind != kind {
            // The file's own words may hold line breaks and commands for a terminal.
            return fail(format!("holds {:?}, and a {kind} was expected", record.kind));
        }
        if record.version == 0 || record.version > NEWEST_VERSION {
            return fail(format!(
                "has layout version {}, and this version of vecodec reads up to {NEWEST_VERSION}: \
                 update vecodec",
                record.version
            ));
        }
        Ok(record)
    }

    fn into_config(self, reader: &Reader) -> Result<(ModelConfig, Fingerprint)> {
        let fail = |detail: String| Err(Error::format(reader.path(), detail));
        let record = self;
        let activation = match record.activation.as_str() {
            "identity" => Activation::Identity,
            "relu" => Activation::Relu,
            other => return fail(format!("names an unknown activation {other:?}")),
        };
        let model: Fingerprint =
            record.model.parse().map_err(|e: Error| Error::format(reader.path(), e.to_string()))?;
        // What both versions of bit codes have.
        let bits = |bytes, states: Option<usize>, row_norm| {
            let coding = states.map_or(Coding::Scalar, |states| Coding::Trellis { states });
            let row_norm = if row_norm { RowNorm::Store } else { RowNorm::Omit };
            ModelConfig::bits(record.dim, bytes).with_coding(coding).with_row_norm(row_norm)
        };
        let bits = match (record.v2_bits, record.bits) {
            (None, None) => None,
            (Some(BitCodesRecord { bytes, states, row_norm }), None) => {
                let bits = bits(bytes, states, row_norm).with_regions(Regions::Count(1));
                Some(bits.with_objective(Objective::Reconstruction).in_v2())
            }
            (None, Some(RegionsRecord { bytes, states, row_norm, regions, objective })) => {
                let objective = match objective.as_str() {
                    "reconstruction" => Objective::Reconstruction,
                    "search" => Objective::Search,
                    other => return fail(format!("names an unknown objective {other:?}")),
                };
                let bits = bits(bytes, states, row_norm).with_regions(Regions::Count(regions));
                Some(bits.with_objective(objective))
            }
            (Some(_), Some(_)) => return fail("has bit codes of two versions".to_owned()),
        };
        let config = match bits {
            None => ModelConfig::int8(record.dim, record.latent_dim)
                .with_activation(activation)
                .with_normalized_latent(record.normalized_latent)
                .into(),
            Some(_) if activation != Activation::Identity || record.normalized_latent => {
                return fail("has bit codes of a latent that is not linear".to_owned());
            }
            Some(bits) => ModelConfig::from(bits).with_latent_dim(record.latent_dim),
        };
        config.validate().map_err(|e| Error::format(reader.path(), e.to_string()))?;
        Ok((config, model))
    }
}
