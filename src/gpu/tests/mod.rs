//! Every kernel that ships, without an adapter and with one.

mod headers;
mod host;
mod index_ranges;
mod queries;
mod search_ranges;
mod searches;
mod table;
mod translate;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::device::{COOP_THREADS, Caps, ChunkBytes};
use super::kernels::{Kernel, KernelOptions, Precision, Tiling, select};
use super::programs::{Recipes, recipes};
use super::search::SearchLayout;
use crate::bit_codes::{BitPlan, Layout, RATE_COUNT, Rate, Tables, Window};
use crate::mixture::{Mixture, Region, id_bits};
use crate::model::{Activation, BitsConfig, Coding, Model, ModelConfig, Regions, RowNorm, Weights};
use crate::plan::Limits;
use crate::search::Metric;

/// Sizes `[dim, latents]` that take every way through the kernels: tiles that hold a latent and tiles
/// that do not, rows that end on four values and rows that do not, weights that fit registers and
/// weights that do not.
const SHAPES: [[usize; 2]; 8] =
    [[1, 1], [97, 53], [20, 256], [384, 64], [768, 128], [300, 300], [64, 129], [2100, 40]];

/// Bits of a trellis' window (0 for scalar codes), latents, and whether norms are stored.
const PLANS: [(u32, usize, bool); 7] = [
    (0, 1, false),
    (0, 53, true),
    (1, 1, false),
    (2, 70, true),
    (8, 53, false),
    (8, 64, true),
    (12, 40, false),
];

/// Plans of models of several regions, and how many: fewer than the shortlist has room for, and more.
const REGIONS: [((u32, usize, bool), usize); 4] =
    [((0, 53, true), 3), ((8, 64, true), 5), ((8, 53, false), 2), ((2, 70, false), 37)];

fn weights([dim, latents]: [usize; 2]) -> Weights {
    let values = |seed: usize| {
        (0..dim * latents).map(|i| ((i * 31 + seed) % 101) as f32 / 101.0 - 0.5).collect()
    };
    Weights { encoder: values(1), decoder: values(7), ..Weights::default() }
}

/// A model whose rows are measured from the decoder's bias.
fn centered_model(shape @ [dim, latents]: [usize; 2]) -> Model {
    let mut weights = weights(shape);
    let bias = |row: &[f32]| -row.iter().sum::<f32>();
    weights.encoder_bias = Some(weights.encoder.chunks(dim).map(bias).collect());
    weights.decoder_bias = Some(vec![1.0; dim]);
    let model = Model::from_weights(ModelConfig::int8(dim, latents), weights).unwrap();
    assert!(model.region(0).centroid.is_some());
    model
}

fn int8_model(shape @ [dim, latents]: [usize; 2], relu: bool) -> Model {
    let activation = if relu { Activation::Relu } else { Activation::Identity };
    let config = ModelConfig::int8(dim, latents).with_activation(activation);
    Model::from_weights(config, weights(shape)).unwrap()
}

/// A model of bit codes of format 3 with this many regions.
fn regions_model((state_bits, latents, norms): (u32, usize, bool), count: usize) -> Model {
    let window = if state_bits == 0 { Window::Own } else { Window::Last(state_bits) };
    let layout = if state_bits == 0 { Layout::Bytes } else { Layout::Packed };
    let dim = latents + 3;
    let rates = |shorter: usize| -> Vec<Rate> {
        let latents = latents.saturating_sub(2 * shorter).max(1);
        let pairs = |rate: Rate| window.allows(rate) && latents >= 12;
        let halves = [Rate::ONE_AND_HALF, Rate::HALF].into_iter().filter(|rate| pairs(*rate));
        let mut rates: Vec<Rate> = halves.flat_map(|rate| [rate; 2]).collect();
        let pairs: usize = rates.iter().map(|rate| rate.latents()).sum();
        // With a trellis of many bits, one latent is outside of it.
        let widest = if state_bits == 8 { 9 } else { 3 };
        rates.extend((0..latents - pairs).map(|i| match i {
            0 if latents > 2 => Rate::whole(widest),
            i => Rate::whole(1 + i as u8 % 2),
        }));
        rates.sort_by(|a, b| b.cmp(a));
        // The pairs begin at even latents.
        let above = rates.iter().filter(|rate| **rate > Rate::ONE_AND_HALF).count();
        if above % 2 == 1 && rates.contains(&Rate::ONE_AND_HALF) {
            rates[above - 1] = Rate::whole(1);
            rates.sort_by(|a, b| b.cmp(a));
        }
        rates
    };
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in (0..count).flat_map(rates) {
        let entries = rate.latents() << window.bits(rate);
        tables[rate.number()] = (0..entries).map(|i| (i % 512) as f32 / 8.0).collect();
    }
    let tables = Arc::new(Tables::new(window, &tables).unwrap());
    let first = id_bits(count);
    let plan = |number: usize, bytes| {
        let rates = rates(number);
        let latents: usize = rates.iter().map(|rate| rate.latents()).sum();
        BitPlan::new(tables.clone(), layout, &rates, vec![1.0; latents], first, bytes).unwrap()
    };
    let bytes = (0..count).map(|number| plan(number, None).code_bytes()).max();
    let region = |number: usize| {
        let plan = plan(number, bytes);
        let values = |len: usize, seed: usize| {
            (0..len).map(|i| ((i * 31 + seed) % 101) as f32 / 101.0 - 0.5).collect()
        };
        let basis = values(dim * plan.latents(), 7 + number);
        Region { centroid: values(dim, number), basis, plan }
    };
    let regions: Vec<Region> = (0..count).map(region).collect();
    let shortlist = count.min(4);
    let mixture =
        Mixture::new(dim, regions, [0.1; RATE_COUNT], vec![0.5; count], shortlist).unwrap();
    let bytes = bytes.unwrap() + if norms { 4 } else { 0 };
    Model::from_mixture(bits_config(state_bits, dim, bytes, norms, count).into(), mixture, None)
        .unwrap()
}

fn bits_model(plan: (u32, usize, bool)) -> Model {
    regions_model(plan, 1)
}

fn bits_config(
    state_bits: u32,
    dim: usize,
    bytes: usize,
    norms: bool,
    regions: usize,
) -> BitsConfig {
    let norm = if norms { RowNorm::Store } else { RowNorm::Omit };
    let coding = match state_bits {
        0 => Coding::Scalar,
        bits => Coding::Trellis { states: 1 << bits },
    };
    let config = ModelConfig::bits(dim, bytes).with_row_norm(norm).with_coding(coding);
    config.with_regions(Regions::Count(regions))
}

/// A model of bit codes of format 2, whose tables f16 does not hold exactly.
fn v2_model((state_bits, latents, norms): (u32, usize, bool)) -> Model {
    let window = if state_bits == 0 { Window::Own } else { Window::Last(state_bits) };
    let widest = if state_bits == 0 { 3 } else { state_bits.min(3) as u8 };
    let rates: Vec<Rate> = (0..latents).map(|i| Rate::whole(widest - i as u8 % widest)).collect();
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for bits in 1..=widest {
        let rate = Rate::whole(bits);
        tables[rate.number()] = (0..1 << window.bits(rate)).map(|i| i as f32 / 7.0).collect();
    }
    let tables = Arc::new(Tables::new(window, &tables).unwrap());
    let plan = BitPlan::new(tables, Layout::Packed, &rates, vec![1.0; latents], 0, None).unwrap();
    let dim = latents + 3;
    let bytes = plan.code_bytes() + if norms { 4 } else { 0 };
    let config = bits_config(state_bits, dim, bytes, norms, 1).in_v2();
    let config = ModelConfig::from(config).with_latent_dim(latents);
    Model::from_parts(config, weights([dim, latents]), Some(plan), None).unwrap()
}

fn models() -> Vec<Model> {
    let int8 = SHAPES.into_iter().flat_map(|s| [false, true].map(|relu| int8_model(s, relu)));
    let bits = PLANS.into_iter().flat_map(|plan| [bits_model(plan), v2_model(plan)]);
    let regions = REGIONS.into_iter().map(|(plan, count)| regions_model(plan, count));
    let centered = SHAPES.into_iter().filter(|[dim, _]| *dim > 1).map(centered_model);
    int8.chain(bits).chain(regions).chain(centered).collect()
}

pub(super) fn caps(software: bool, coop_side: Option<u32>) -> Caps {
    Caps {
        limits: Limits { binding_bytes: 1 << 27, buffer_bytes: 1 << 28, groups: 65_535 },
        software,
        stamped: false,
        direct_readback: software,
        host_storage: true,
        coop_side,
        subgroup: coop_side.map(|_| 32),
        workgroup_threads: if coop_side == Some(16) { COOP_THREADS } else { 256 },
        workgroup_bytes: if coop_side == Some(16) { 48 << 10 } else { 32 << 10 },
        max_loop_iterations: software.then_some(65_000),
        chunk_bytes: ChunkBytes { copied: 1 << 20, large: 1 << 20 },
        slots: 3,
    }
}

fn all_options() -> Vec<KernelOptions> {
    let tilings = [None, Some(Tiling::RegisterBlocked), Some(Tiling::Tiled)];
    let precisions = [Precision::F32, Precision::F16];
    let with = |tiling| precisions.map(|precision| KernelOptions { tiling, precision });
    tilings.into_iter().flat_map(with).collect()
}

fn adapters() -> [Caps; 4] {
    [caps(true, None), caps(false, None), caps(false, Some(16)), caps(false, Some(8))]
}

/// The recipes of every model, on an adapter of every class, with every choice of the caller.
fn shipped() -> Vec<Recipes> {
    let mut all = Vec::new();
    for model in models() {
        for caps in &adapters() {
            for options in all_options() {
                let recipes = recipes(&model, caps, options);
                for recipe in recipes.all() {
                    recipe.check(&recipes.residents, caps).unwrap();
                }
                all.push(recipes);
            }
        }
    }
    all
}

/// The kernels of searches of every model, with every metric, on an adapter of every class.
fn search_kernels() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for model in models() {
        for caps in adapters() {
            for metric in Metric::ALL {
                let layout = SearchLayout::new(&model, metric, &caps);
                kernels.extend(layout.scans().into_iter().map(|(_, kernel)| kernel));
                kernels.extend(layout.bundle_tables());
                kernels.extend(layout.near_scores());
                kernels.extend(layout.quad_queries().into_iter().map(|(_, kernel)| kernel));
                kernels.push(select());
                let dim = model.config().dim;
                for part in layout.weight_parts(dim, &caps).unwrap() {
                    kernels.extend(layout.projections(dim, &part));
                }
                kernels.extend(layout.matrices());
                kernels.push(layout.prepare(dim));
                kernels.push(layout.rank());
            }
        }
    }
    kernels
}

/// The kernels of [`shipped`] and of searches, each with each set of constants once.
fn shipped_kernels() -> Vec<Kernel> {
    let mut kernels = BTreeMap::new();
    let shipped = shipped();
    let recipes = shipped.iter().flat_map(Recipes::all);
    let all = recipes.flat_map(|recipe| recipe.kernels.clone()).chain(search_kernels());
    for kernel in all {
        let key = format!("{} {:?}", kernel.name, kernel.constants);
        kernels.entry(key).or_insert(kernel);
    }
    kernels.into_values().collect()
}
