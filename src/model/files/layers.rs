//! Models of 8-bit codes, and of bit codes of version 2: a linear layer each way.

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::Dtype;

use super::super::config::ModelConfig;
use super::super::weights::{DECODER, DECODER_BIAS, ENCODER, ENCODER_BIAS, Weights, tensor_shape};
use super::super::{Model, Numbers};
use super::facts;
use super::record::ConfigRecord;
use crate::bit_codes::{BitPlan, Layout, MAX_SCALAR_WIDTH, RATE_COUNT, Rate, Tables};
use crate::error::{Error, Result};
use crate::tensors::{Reader, Spec, Writer};

/// Tensors of a bit plan: U8 `[latent]`, F32 `[latent]`, and F32 `[entries]` for each number of bits.
const WIDTHS: &str = "stream.widths";
const STEPS: &str = "stream.steps";
const TABLES: [&str; MAX_SCALAR_WIDTH] = [
    "stream.table.1",
    "stream.table.2",
    "stream.table.3",
    "stream.table.4",
    "stream.table.5",
    "stream.table.6",
    "stream.table.7",
    "stream.table.8",
];

pub(super) fn save(model: &Model, path: &Path, record: &ConfigRecord) -> Result<()> {
    let Numbers::Layers { weights, plan, .. } = &model.0.numbers else {
        return Err(Error::Internal { detail: "a mixture was to be saved as layers".to_owned() });
    };
    let config = model.config();
    let spec = |(name, _)| Spec { name, dtype: Dtype::F32, shape: tensor_shape(name, config) };
    let mut specs: Vec<Spec> = weights.tensors().map(spec).collect();
    if let Some(plan) = plan {
        let f32s = |name, len| Spec { name, dtype: Dtype::F32, shape: vec![len] };
        let tables = tables(plan).map(|(name, table)| f32s(name, table.len()));
        specs.extend(tables.chain([f32s(STEPS, plan.latents())]));
        specs.push(Spec { name: WIDTHS, dtype: Dtype::U8, shape: vec![plan.latents()] });
    }
    specs.extend(facts::spec(model));
    let mut writer = Writer::create(path, record, specs)?;
    for (name, values) in weights.tensors() {
        writer.write(name, 0, bytemuck::cast_slice(values))?;
    }
    if let Some(plan) = plan {
        for (name, values) in tables(plan).chain([(STEPS, plan.steps())]) {
            writer.write(name, 0, bytemuck::cast_slice(values))?;
        }
        writer.write(WIDTHS, 0, &plan.symbol_bits())?;
    }
    facts::write(model, &mut writer)?;
    writer.finish()
}

pub(super) fn load(config: ModelConfig, reader: &mut Reader) -> Result<Model> {
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
        Some(_) => Some(read_plan(&config, reader)?),
    };
    let facts = facts::read(reader)?;
    Model::from_parts(config, weights, plan, facts)
        .map_err(|e| Error::format(reader.path(), e.to_string()))
}

/// The tables that are there, by their tensor's name.
fn tables(plan: &BitPlan) -> impl Iterator<Item = (&'static str, &[f32])> {
    let table = |(bits, name)| (name, plan.tables().table(Rate::whole(bits)));
    (1..).zip(TABLES).map(table).filter(|(_, table)| !table.is_empty())
}

fn read_plan(config: &ModelConfig, reader: &mut Reader) -> Result<BitPlan> {
    let latents = config.latent_dim;
    reader.expect(WIDTHS, Dtype::U8, &[latents])?;
    reader.expect(STEPS, Dtype::F32, &[latents])?;
    let mut bits_per_latent = vec![0; latents];
    reader.read(WIDTHS, 0, &mut bits_per_latent)?;
    let steps = reader.read_f32(STEPS)?;
    let window = config.window();
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for (bits, name) in (1..).zip(TABLES) {
        if reader.info(name).is_some() {
            let rate = Rate::whole(bits);
            reader.expect(name, Dtype::F32, &[1 << window.bits(rate)])?;
            tables[rate.number()] = reader.read_f32(name)?;
        }
    }
    let plan = || {
        let max = match window.state_bits() {
            0 => MAX_SCALAR_WIDTH,
            bits => MAX_SCALAR_WIDTH.min(bits as usize),
        };
        let rate = |bits: &u8| match usize::from(*bits) {
            found if (1..=max).contains(&found) => Ok(Rate::whole(*bits)),
            found => Err(Error::BitPlanBits { what: "a latent", max, found }),
        };
        let rates = bits_per_latent.iter().map(rate).collect::<Result<Vec<_>>>()?;
        let tables = Arc::new(Tables::new(window, &tables)?);
        BitPlan::new(tables, Layout::Packed, &rates, steps, 0, None)
    };
    plan().map_err(|e| Error::format(reader.path(), e.to_string()))
}
