//! Models of bit codes of version 3: regions.

use std::path::Path;

use safetensors::tensor::Dtype;

use super::super::Model;
use super::super::config::ModelConfig;
use super::super::parts::{self, Data};
use super::facts;
use super::record::ConfigRecord;
use crate::bit_codes::{RATE_COUNT, Rate};
use crate::error::{Error, Result};
use crate::memory;
use crate::mixture::Mixture;
use crate::tensors::{Reader, Spec, Writer};

pub(super) fn save(
    model: &Model,
    mixture: &Mixture,
    path: &Path,
    record: &ConfigRecord,
) -> Result<()> {
    let parts = parts::of_mixture(model.config(), mixture);
    let dtype = |data: &Data<'_>| match data {
        Data::F32(_) => Dtype::F32,
        Data::F16(_) => Dtype::F16,
        Data::U32(_) => Dtype::U32,
        Data::U8(_) => Dtype::U8,
    };
    let specs = parts
        .iter()
        .map(|part| Spec { name: part.name, dtype: dtype(&part.data), shape: part.shape.clone() })
        .chain(facts::spec(model))
        .collect();
    let mut writer = Writer::create(path, record, specs)?;
    for part in &parts {
        writer.write(part.name, 0, part.data.as_bytes())?;
    }
    facts::write(model, &mut writer)?;
    writer.finish()
}

pub(super) fn load(config: ModelConfig, reader: &mut Reader) -> Result<Model> {
    let count = config.region_count();
    let latents = reader.info(parts::STEPS).map_or(0, |info| info.shape.iter().product());
    // A region has at most `dim` latents. That bounds the memory below.
    if latents > count * config.dim {
        let detail = format!("{} has more latents than {count} regions can have", parts::STEPS);
        return Err(Error::format(reader.path(), detail));
    }
    let centroids = f32s(reader, parts::CENTROIDS, &[count, config.dim])?;
    let basis = f32s(reader, parts::BASIS, &[latents, config.dim])?;
    let steps = f32s(reader, parts::STEPS, &[latents])?;
    let rest_shares = f32s(reader, parts::REST_SHARES, &[count])?;
    let distortions = f32s(reader, parts::DISTORTIONS, &[RATE_COUNT])?;
    let shortlist = u32s(reader, parts::SHORTLIST, &[1])?[0] as usize;
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in Rate::all() {
        let name = parts::table_name(rate);
        if reader.info(name).is_some() {
            let shape = parts::table_shape(config.window(), rate);
            reader.expect(name, Dtype::F16, &shape)?;
            let mut values = vec![half::f16::ZERO; shape.iter().product()];
            reader.read(name, 0, bytemuck::cast_slice_mut(&mut values))?;
            tables[rate.number()] = values.into_iter().map(f32::from).collect();
        }
    }
    let rates = match config.window().state_bits() {
        0 => {
            let counts = u32s(reader, parts::LATENTS, &[count])?;
            reader.expect(parts::BITS, Dtype::U8, &[latents])?;
            let mut bits_per_latent = memory::zeroed("the values of a tensor", &[latents])?;
            reader.read(parts::BITS, 0, &mut bits_per_latent)?;
            parts::scalar_rates(&counts, &bits_per_latent)
        }
        _ => parts::trellis_rates(&u32s(reader, parts::COUNTS, &[count, RATE_COUNT])?, latents),
    };
    let numbers = parts::MixtureParts {
        centroids,
        basis,
        steps,
        rates: rates.map_err(|detail| Error::format(reader.path(), detail))?,
        tables,
        distortions: distortions.try_into().expect("the shape was checked"),
        rest_shares,
        shortlist,
    };
    let facts = facts::read(reader)?;
    let model = || {
        let mixture = numbers.into_mixture(&config)?;
        if mixture.latent_dim() != config.latent_dim {
            let (what, expected, found) = ("latents", config.latent_dim, mixture.latent_dim());
            return Err(Error::BitPlanLength { what, expected, found });
        }
        Model::from_mixture(config, mixture, facts)
    };
    model().map_err(|e| Error::format(reader.path(), e.to_string()))
}

fn f32s(reader: &mut Reader, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    reader.expect(name, Dtype::F32, shape)?;
    reader.read_f32(name)
}

fn u32s(reader: &mut Reader, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
    reader.expect(name, Dtype::U32, shape)?;
    let mut values: Vec<u32> = memory::zeroed("the values of a tensor", shape)?;
    reader.read(name, 0, bytemuck::cast_slice_mut(&mut values))?;
    Ok(values)
}
