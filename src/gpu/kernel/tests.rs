//! Every kernel, without an adapter: parsed, validated, translated for every API, and held to
//! what the host believes of it.

use std::collections::BTreeSet;
use std::mem::offset_of;

use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Literal, Module, ShaderStage, TypeInner};

use super::*;
use crate::bit_codes::{BitPlan, Window};
use crate::gpu::Params;
use crate::gpu::caps::{MATRIX_TILE_BYTES, tile};
use crate::gpu::product::{Factor, Store, product};
use crate::gpu::programs::quantizer;
use crate::gpu::streams::{SCALAR, Search, TRELLIS, unit_rows};
use crate::gpu::walk::{REGISTER_ROWS, Walk};

fn walks() -> Vec<Walk> {
    let mut walks = vec![];
    for (side, split) in [(16, false), (16, true), (8, false)] {
        walks.push(Walk::Matrix { side, split });
    }
    for half in [false, true] {
        walks.push(Walk::Registers { half });
        for outputs in [128, 768] {
            walks.push(Walk::Tiled { tile: tile(outputs), half });
        }
    }
    walks
}

fn searches() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (bits, latents) in [(0, 1), (0, 53), (1, 1), (2, 9000), (8, 53), (12, 30_000)] {
        let window = if bits == 0 { Window::Own } else { Window::Last(bits) };
        let tables = vec![vec![], vec![0.0; 1 << bits.max(1)]];
        let plan = BitPlan::new(window, vec![1; latents], vec![1.0; latents], tables).unwrap();
        variants.extend([false, true].map(|keeps| Search::new(&plan, keeps).variant()));
    }
    variants
}

fn variants() -> Vec<Variant> {
    let mut variants =
        vec![quantizer(1, [64, 1]), quantizer(75, [256, 16]), unit_rows(1), unit_rows(96)];
    variants.extend(searches());
    let scalar = Factor::Streams { words: 16, state_bits: 0 };
    let trellis = Factor::Streams { words: 16, state_bits: 8 };
    for factor in [Factor::Codes, Factor::Values, scalar, trellis] {
        for walk in walks() {
            for layer in [[1, 1], [128, 768], [384, 64], [97, 53], [300, 1536], [256, 20]] {
                let walk = factor.walk(walk, layer[0]);
                for (relu, store) in
                    [(false, Store::Tight), (true, Store::Padded), (false, Store::Half)]
                {
                    variants.push(product(factor, walk, layer, (relu, 1.0), store));
                }
                if matches!(factor, Factor::Values) && walk.holds(layer[1]) {
                    variants.push(product(factor, walk, layer, (true, 0.5), Store::Codes));
                }
            }
        }
    }
    variants
}

fn parsed(source: &Source) -> (Module, ModuleInfo) {
    let wgsl = source.wgsl();
    let module = naga::front::wgsl::parse_str(&wgsl)
        .unwrap_or_else(|e| panic!("{}: {}", source.label, e.emit_to_string(&wgsl)));
    let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    if on_matrix_units(&module) {
        capabilities |= Capabilities::SHADER_FLOAT16
            | Capabilities::COOPERATIVE_MATRIX
            | Capabilities::SUBGROUP;
    }
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", source.label, e.emit_to_string(&wgsl)));
    (module, info)
}

/// Calls `check` with each variant and its module, the overrides filled in.
fn for_variants(check: impl Fn(&Variant, &Module, &ModuleInfo)) {
    for variant in variants() {
        for_variant(&variant, &check);
    }
}

fn for_variant(variant: &Variant, check: impl Fn(&Variant, &Module, &ModuleInfo)) {
    let (module, info) = parsed(&variant.source);
    let mut constants = PipelineConstants::default();
    for (name, value) in &variant.constants {
        constants.insert((*name).to_owned(), *value);
    }
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = process_overrides(&module, &info, entry, &constants)
        .unwrap_or_else(|e| panic!("{}: {e}", variant.source.label));
    check(variant, &module, &info);
}

fn on_matrix_units(module: &Module) -> bool {
    let of_matrices = |ty: &naga::Type| matches!(ty.inner, TypeInner::CooperativeMatrix { .. });
    module.types.iter().any(|(_, ty)| of_matrices(ty))
}

#[test]
fn translate_to_metal() {
    for_variants(|variant, module, info| {
        if on_matrix_units(module) && variant.source.files[0].contains("16 x 16") {
            return; // Apple's units are of 8 x 8, and such a kernel is only taken where they are.
        }
        let options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: true,
            bounds_check_policies: BoundsCheckPolicies::default(),
            force_loop_bounding: false,
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".to_owned())),
            ..Default::default()
        };
        let (text, _) = msl::write_string(module, info, &options, &pipeline)
            .unwrap_or_else(|e| panic!("{}: {e}", variant.source.label));
        assert!(text.contains("kernel void"), "{}", variant.source.label);
    });
}

#[test]
fn translate_to_spirv() {
    for_variants(|variant, module, info| {
        let pipeline = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: "main".to_owned(),
        };
        let options = spv::Options { lang_version: (1, 3), ..Default::default() };
        let words = spv::write_vec(module, info, &options, Some(&pipeline))
            .unwrap_or_else(|e| panic!("{}: {e}", variant.source.label));
        const MAGIC: u32 = 0x0723_0203;
        assert_eq!(words.first(), Some(&MAGIC), "{}", variant.source.label);
    });
}

#[test]
fn translate_to_hlsl() {
    for_variants(|variant, module, info| {
        if on_matrix_units(module) {
            return; // wgpu has none on DX12.
        }
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_4,
            fake_missing_bindings: true,
            ..Default::default()
        };
        let pipeline =
            hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".to_owned())) };
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(module, info, None)
            .unwrap_or_else(|e| panic!("{}: {e}", variant.source.label));
        assert!(text.contains("numthreads"), "{}", variant.source.label);
    });
}

#[test]
fn the_host_fills_exactly_the_overrides_there_are() {
    for variant in variants() {
        let (module, _) = parsed(&variant.source);
        let declared: BTreeSet<String> = module
            .overrides
            .iter()
            .map(|(_, constant)| {
                assert!(constant.init.is_none(), "overrides are declared without a default");
                constant.name.clone().unwrap()
            })
            .collect();
        let filled = variant.constants.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(declared, filled, "{}", variant.source.label);
    }
}

#[test]
fn params_lie_alike_in_rust_and_wgsl() {
    let expected = [
        ("rows", offset_of!(Params, rows) as u32),
        ("scale_stride", offset_of!(Params, scale_stride) as u32),
    ];
    for variant in variants() {
        let (module, _) = parsed(&variant.source);
        let (_, params) = module
            .global_variables
            .iter()
            .find(|(_, variable)| variable.space == AddressSpace::Uniform)
            .unwrap();
        let TypeInner::Struct { members, span } = &module.types[params.ty].inner else {
            panic!("params are a struct");
        };
        let found: Vec<_> =
            members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset)).collect();
        assert_eq!(found, expected);
        assert_eq!(*span as usize, size_of::<Params>());
    }
}

#[test]
fn the_hosts_grids_match_the_kernels_tiles() {
    const LAYER: [usize; 2] = [128, 768];
    let constant = |walk: Walk, name: &str| {
        let variant = product(Factor::Codes, walk, LAYER, (false, 1.0), Store::Tight);
        let (module, _) = parsed(&variant.source);
        let (_, constant) =
            module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name)).unwrap();
        match module.global_expressions[constant.init] {
            naga::Expression::Literal(Literal::U32(value)) => value,
            ref other => panic!("{name} is {other:?}"),
        }
    };
    let stationary = walks().into_iter().map(|walk| walk.of_codes(LAYER[0]));
    for walk in walks().into_iter().chain(stationary) {
        match walk {
            Walk::Registers { .. } => assert_eq!(constant(walk, "ROWS"), REGISTER_ROWS),
            // Its sizes are overrides.
            Walk::Tiled { .. } => {}
            Walk::Matrix { .. } | Walk::Stationary { .. } => {
                if let Walk::Matrix { side, .. } = walk {
                    assert_eq!(constant(walk, "SIDE"), side);
                }
                assert_eq!(constant(walk, "ROWS"), walk.tile().unwrap().0);
                assert_eq!(constant(walk, "WIDE4"), walk.tile().unwrap().1);
            }
        }
    }
}

#[test]
fn a_latent_to_search_for_lies_alike_in_rust_and_wgsl() {
    for source in [SCALAR, TRELLIS] {
        let (module, _) = parsed(&source);
        let (_, latent) =
            module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Latent")).unwrap();
        let TypeInner::Struct { members, span } = &latent.inner else {
            panic!("a latent is a struct");
        };
        let found: Vec<_> =
            members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset)).collect();
        assert_eq!(found, [("end", 0), ("width", 4), ("step", 8), ("position", 12)]);
        assert_eq!(*span, 16);
    }
}

#[test]
fn threads_own_no_more_groups_than_a_search_has_room_for() {
    let (module, _) = parsed(&TRELLIS);
    let (_, most) =
        module.constants.iter().find(|(_, c)| c.name.as_deref() == Some("MOST_OWNED")).unwrap();
    let naga::Expression::Literal(Literal::U32(most)) = module.global_expressions[most.init] else {
        panic!("it is a number");
    };
    let searches = searches();
    let owned = searches.iter().flat_map(|s| &s.constants).filter(|(name, _)| *name == "OWNED");
    assert_eq!(owned.map(|(_, owned)| *owned as u32).max(), Some(most));
}

#[test]
fn workgroups_stay_within_the_limits_of_their_adapters() {
    for walk in walks() {
        let memory = match walk {
            Walk::Registers { .. } => 0,
            Walk::Tiled { .. } => 16 << 10,
            Walk::Matrix { .. } | Walk::Stationary { .. } => MATRIX_TILE_BYTES,
        };
        for (factor, store) in [
            (Factor::Codes, Store::Tight),
            (Factor::Values, Store::Tight),
            (Factor::Values, Store::Codes),
        ] {
            if store == Store::Codes && !walk.holds(64) {
                continue;
            }
            for inputs in [64, 128, 256] {
                let walk = factor.walk(walk, inputs);
                fits(&product(factor, walk, [inputs, 64], (false, 1.0), store), memory);
            }
        }
    }
    // A search runs on every device.
    searches().iter().for_each(|search| fits(search, 16 << 10));
}

/// Whether a workgroup has no more memory and threads than it may.
fn fits(variant: &Variant, memory: u32) {
    for_variant(variant, |variant, module, _| {
        let shared =
            module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum();
        assert!(bytes <= memory, "{}: {bytes} bytes", variant.source.label);
        let entry = module.entry_points.iter().find(|e| e.name == "main").unwrap();
        let threads: u32 = entry.workgroup_size.iter().product();
        assert!(threads <= 256, "{}: {threads} threads", variant.source.label);
    });
}
