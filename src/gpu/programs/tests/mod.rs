//! Every kernel that ships, without an adapter and with one.

mod headers;
mod host;
mod index_ranges;
mod table;
mod translate;

use std::collections::BTreeMap;

use super::super::device::Caps;
use super::super::kernels::{Kernel, KernelOptions, Precision, Tiling};
use super::recipe::Recipes;
use super::recipes;
use crate::bit_codes::{BitPlan, Window};
use crate::gpu::device::ChunkBytes;
use crate::model::{Activation, Model, ModelConfig, RowNorm, Weights};
use crate::plan::Limits;

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

fn weights([dim, latents]: [usize; 2]) -> Weights {
    let values = |seed: usize| {
        (0..dim * latents).map(|i| ((i * 31 + seed) % 101) as f32 / 101.0 - 0.5).collect()
    };
    Weights { encoder: values(1), decoder: values(7), ..Weights::default() }
}

fn int8_model(shape @ [dim, latents]: [usize; 2], relu: bool) -> Model {
    let activation = if relu { Activation::Relu } else { Activation::Identity };
    let config = ModelConfig::int8(dim, latents).with_activation(activation);
    Model::from_weights(config, weights(shape)).unwrap()
}

fn bits_model((state_bits, latents, norms): (u32, usize, bool)) -> Model {
    let window = if state_bits == 0 { Window::Own } else { Window::Last(state_bits) };
    let widest = if state_bits == 0 { 3 } else { state_bits.min(3) as u8 };
    let bits_per_latent: Vec<u8> = (0..latents).map(|i| widest - i as u8 % widest).collect();
    let table = |width: u8| match width {
        0 => vec![],
        _ => (0..1 << window.bits(width)).map(|i| i as f32 / 8.0).collect(),
    };
    let tables = (0..=widest).map(table).collect();
    let plan = BitPlan::new(window, bits_per_latent, vec![1.0; latents], tables).unwrap();
    let dim = latents + 3;
    let bytes = plan.code_bytes() + if norms { 4 } else { 0 };
    let config = ModelConfig::bits(dim, bytes).with_row_norm(if norms {
        RowNorm::Store
    } else {
        RowNorm::Omit
    });
    let config = match state_bits {
        0 => config.with_coding(crate::Coding::Scalar),
        bits => config.with_coding(crate::Coding::Trellis { states: 1 << bits }),
    };
    Model::of_plan(config, weights([dim, latents]), plan).unwrap()
}

fn models() -> Vec<Model> {
    let int8 = SHAPES.into_iter().flat_map(|s| [false, true].map(|relu| int8_model(s, relu)));
    int8.chain(PLANS.into_iter().map(bits_model)).collect()
}

fn caps(software: bool, coop_side: Option<u32>) -> Caps {
    Caps {
        limits: Limits { binding_bytes: 1 << 27, buffer_bytes: 1 << 28, groups: 65_535 },
        software,
        stamped: false,
        direct_readback: software,
        coop_side,
        workgroup_bytes: 32 << 10,
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

/// The recipes of every model, on an adapter of every class, with every choice of the caller.
fn shipped() -> Vec<Recipes> {
    let adapters =
        [caps(true, None), caps(false, None), caps(false, Some(16)), caps(false, Some(8))];
    let mut all = Vec::new();
    for model in models() {
        for caps in &adapters {
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

/// The kernels of [`shipped`], each with each set of constants once.
fn shipped_kernels() -> Vec<Kernel> {
    let mut kernels = BTreeMap::new();
    for recipes in shipped() {
        for recipe in recipes.all() {
            for kernel in &recipe.kernels {
                let key = format!("{} {:?}", kernel.name, kernel.constants);
                kernels.entry(key).or_insert_with(|| kernel.clone());
            }
        }
    }
    kernels.into_values().collect()
}
