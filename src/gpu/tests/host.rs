//! Compares what the host assumes about each kernel with the kernel's shader.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use naga::{AddressSpace, Literal, Module, TypeInner};

use super::super::chunk::Params;
use super::super::kernels::{Binding, Kernel, Resident, SearchBuffer, SearchedSymbol};
use super::super::programs::Recipe;
use super::super::search::{List, Round};
use super::translate::parsed;
use super::{bits_model, caps, int8_model, recipes, shipped_kernels};
use crate::error::Error;
use crate::plan::{Grid, Section};

/// A constant of the shader that is a number.
fn constant(module: &Module, name: &str) -> Option<u32> {
    let (_, constant) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
    match module.global_expressions[constant.init] {
        naga::Expression::Literal(Literal::U32(value)) => Some(value),
        _ => None,
    }
}

fn value(kernel: &Kernel, name: &str) -> Option<u32> {
    let found = kernel.constants.iter().find(|(constant, _)| *constant == name);
    found.map(|(_, value)| *value as u32)
}

#[test]
fn the_host_fills_exactly_the_overrides_there_are() {
    for kernel in shipped_kernels() {
        let (module, _) = parsed(&kernel);
        let declared: BTreeSet<String> = module
            .overrides
            .iter()
            .map(|(_, constant)| {
                assert!(constant.init.is_none(), "overrides are declared without a default");
                constant.name.clone().unwrap()
            })
            .collect();
        let filled = kernel.constants.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(declared, filled, "{}", kernel.name);
    }
}

/// Names of the shader variables that a binding may be bound to.
fn names(binding: Binding) -> &'static [&'static str] {
    match binding {
        Binding::Params => &["params"],
        Binding::Resident(Resident::EncoderWeights(_) | Resident::DecoderWeights(_)) => {
            &["weights"]
        }
        Binding::Resident(Resident::ScoreWeights | Resident::LeadingWeights(_)) => &["weights"],
        Binding::Resident(Resident::ScoreBias | Resident::LeadingBias) => &["bias"],
        Binding::Resident(Resident::Origin) => &["centroid"],
        Binding::Resident(Resident::LeadingCosts) => &["costs"],
        Binding::Resident(Resident::EncoderBias | Resident::DecoderBias) => &["bias"],
        Binding::Resident(Resident::BitLayout) => &["bit_layout"],
        Binding::Resident(Resident::BitTables) => &["tables"],
        Binding::Resident(Resident::Centroid) => &["centroid", "centroids"],
        Binding::Resident(Resident::ReciprocalSteps) => &["reciprocal_steps"],
        Binding::Resident(Resident::SearchPlan) => &["plan"],
        Binding::Resident(Resident::SearchSteps) => &["steps"],
        Binding::Resident(Resident::BundleLatents) => &["latents"],
        Binding::Resident(Resident::Bundles) => &["bundles"],
        Binding::Resident(Resident::Pairs) => &["pairs"],
        Binding::Resident(Resident::Quads) => &["quads"],
        Binding::Resident(Resident::QuadBytes) => &["all_bytes"],
        Binding::Resident(Resident::QueryWeights) => &["weights"],
        Binding::Resident(Resident::LookUps) => &["look_ups"],
        Binding::Search(SearchBuffer::Round) => &["round"],
        Binding::Search(SearchBuffer::Tiles) => &["tiles"],
        Binding::Search(SearchBuffer::Planes) => &["planes"],
        Binding::Search(SearchBuffer::Queries) => &["queries", "matrices"],
        Binding::Search(SearchBuffer::PackedQueries) => &["packed_queries"],
        Binding::Search(SearchBuffer::Projected) => &["projected", "queries"],
        Binding::Search(SearchBuffer::ScaledRows) => &["scaled"],
        Binding::Search(SearchBuffer::QueryRows) => &["rows"],
        Binding::Search(SearchBuffer::Hits) => &["hits"],
        Binding::Search(SearchBuffer::Lists) => &["lists"],
        Binding::Search(SearchBuffer::Candidates) => &["candidates"],
        Binding::Search(SearchBuffer::Allowed) => &["allowed"],
        Binding::Search(SearchBuffer::Centers) => &["centers"],
        Binding::Search(SearchBuffer::BundleTables) => &["bundle_tables"],
        Binding::Search(SearchBuffer::Found) => &["found"],
        // Left operands are `rows`, and results `out`.
        Binding::Section(Section::Rows) => &["rows", "out"],
        Binding::Section(Section::TightRows) => &["tight_rows"],
        Binding::Section(Section::UnitRows) => &["unit_rows", "rows"],
        Binding::Section(Section::Latents) => &["latents", "rows", "out"],
        Binding::Section(Section::Norms) => &["norms"],
        Binding::Section(Section::Scales) => &["scales", "norms"],
        Binding::Section(Section::Codes) => &["codes"],
        Binding::Section(Section::Decisions) => &["decisions"],
        Binding::Section(Section::Scores) => &["scores", "out"],
        Binding::Section(Section::Candidates) => &["candidates", "regions"],
        Binding::Section(Section::LeadingLatents) => &["leading", "out"],
        Binding::Section(Section::Regions) => &["regions"],
        Binding::Section(Section::Ranks) => &["ranks"],
        Binding::Section(Section::Order) => &["order"],
        Binding::Unused => &[],
    }
}

/// Whether the shader has a variable of a fitting name for each binding, and no other.
fn binds_what_the_shader_declares(module: &Module, bindings: &[Binding]) -> bool {
    let declared: BTreeMap<usize, &str> = module
        .global_variables
        .iter()
        .filter_map(|(_, v)| Some((v.binding.as_ref()?.binding as usize, v.name.as_deref()?)))
        .collect();
    let fits =
        |(at, name): (&usize, &&str)| bindings.get(*at).is_some_and(|b| names(*b).contains(name));
    let used = bindings.iter().filter(|binding| **binding != Binding::Unused).count();
    declared.len() == used && declared.iter().all(fits)
}

#[test]
fn the_host_binds_what_each_shader_declares() {
    for kernel in shipped_kernels() {
        let (module, _) = parsed(&kernel);
        let name = &kernel.name;
        assert!(binds_what_the_shader_declares(&module, &kernel.bindings), "{name}");
        let mut wrong = kernel.bindings.clone();
        let first = if wrong.len() > 2 { 1 } else { 0 };
        wrong.swap(first, first + 1);
        assert!(!binds_what_the_shader_declares(&module, &wrong), "{name}: two are swapped");
        assert!(!binds_what_the_shader_declares(&module, &kernel.bindings[1..]), "{name}: shifted");
    }
}

/// WebGPU's smallest limit, which a caller's device may have.
#[test]
fn kernels_have_at_most_eight_storage_buffers() {
    for kernel in shipped_kernels() {
        let used = kernel.bindings.iter().filter(|binding| **binding != Binding::Unused);
        // Parameters are a uniform buffer.
        assert!(used.count() <= 9, "{}: {:?}", kernel.name, kernel.bindings);
    }
}

/// The members of a struct of the shader, and its bytes.
fn members(module: &Module, ty: naga::Handle<naga::Type>) -> (Vec<(&str, usize)>, usize) {
    let TypeInner::Struct { members, span } = &module.types[ty].inner else {
        panic!("a struct is expected");
    };
    let member = |m: &naga::StructMember| m.offset as usize;
    (members.iter().map(|m| (m.name.as_deref().unwrap(), member(m))).collect(), *span as usize)
}

#[test]
fn parameters_have_one_layout_in_rust_and_wgsl() {
    let params = vec![
        ("rows", offset_of!(Params, rows)),
        ("scale_stride", offset_of!(Params, scale_stride)),
    ];
    let round = vec![
        ("first_tile", offset_of!(Round, first_tile)),
        ("tile_stride", offset_of!(Round, tile_stride)),
        ("tile_count", offset_of!(Round, tile_count)),
        ("workgroups", offset_of!(Round, workgroups)),
        ("phase", offset_of!(Round, phase)),
        ("skipped", offset_of!(Round, skipped)),
        ("first_row", offset_of!(Round, first_row)),
        ("shard_row", offset_of!(Round, shard_row)),
        ("is_filtered", offset_of!(Round, is_filtered)),
        ("k", offset_of!(Round, k)),
        ("capacity", offset_of!(Round, capacity)),
        ("found_capacity", offset_of!(Round, found_capacity)),
        ("is_last", offset_of!(Round, is_last)),
        ("breaks_ties", offset_of!(Round, breaks_ties)),
        ("query_count", offset_of!(Round, query_count)),
        ("tile_rows", offset_of!(Round, tile_rows)),
        ("is_sample", offset_of!(Round, is_sample)),
        ("first_position", offset_of!(Round, first_position)),
        ("positions", offset_of!(Round, positions)),
    ];
    for kernel in shipped_kernels() {
        let (module, _) = parsed(&kernel);
        let uniform = |v: &&naga::GlobalVariable| v.space == AddressSpace::Uniform;
        let mut variables = module.global_variables.iter().map(|(_, variable)| variable);
        let Some(variable) = variables.find(uniform) else {
            let without =
                ["tables.bundles", "queries.project", "queries.matrices", "queries.quads"];
            assert!(without.contains(&kernel.name.as_str()), "{} has no parameters", kernel.name);
            continue;
        };
        let (found, bytes) = members(&module, variable.ty);
        match kernel.bindings[0] {
            Binding::Params => assert_eq!((found, bytes), (params.clone(), size_of::<Params>())),
            // The host's struct is padded to what a uniform buffer may be bound with.
            first => {
                assert_eq!(first, Binding::Search(SearchBuffer::Round), "{}", kernel.name);
                assert_eq!(
                    (found, bytes.next_multiple_of(16)),
                    (round.clone(), size_of::<Round>())
                );
            }
        }
    }
}

#[test]
fn a_list_of_candidates_has_one_layout_in_rust_and_wgsl() {
    let expected = vec![
        ("threshold", offset_of!(List, threshold)),
        ("count", offset_of!(List, count)),
        ("slack", offset_of!(List, slack)),
        ("last_row", offset_of!(List, last_row)),
        ("squared_norm", offset_of!(List, squared_norm)),
    ];
    for kernel in shipped_kernels().iter().filter(|kernel| kernel.name.starts_with("scan.")) {
        let (module, _) = parsed(kernel);
        let mut types = module.types.iter();
        let (list, _) = types.find(|(_, t)| t.name.as_deref() == Some("List")).unwrap();
        assert_eq!(members(&module, list), (expected.clone(), size_of::<List>()));
    }
}

#[test]
fn grids_cover_the_tiles_of_their_kernels() {
    let mut checked = BTreeSet::new();
    for kernel in shipped_kernels().iter().filter(|kernel| kernel.name.contains(".gemm.")) {
        let (module, _) = parsed(kernel);
        // An override where tiles have sizes, a constant or an expression of constants elsewhere.
        let tile_m = value(kernel, "TILE_M").or_else(|| constant(&module, "TILE_M")).unwrap();
        match kernel.grid {
            Grid::Threads { tile_rows, .. } => assert_eq!(tile_rows, tile_m),
            Grid::One => panic!("{}: one workgroup for all tiles", kernel.name),
            Grid::Tiles { tile_rows, tile_columns, total_columns, .. } => {
                assert_eq!(tile_rows, tile_m, "{}", kernel.name);
                let overrides = value(kernel, "THREADS_N").zip(value(kernel, "BLOCKS_N"));
                let tile_n4 = match overrides {
                    Some((threads, blocks)) => threads * blocks,
                    None => constant(&module, "TILE_N4").unwrap(),
                };
                assert_eq!(tile_columns, tile_n4, "{}", kernel.name);
                assert_eq!(Some(total_columns), value(kernel, "OUTPUTS4"), "{}", kernel.name);
            }
        }
        checked.insert(kernel.name.split('.').nth(2).unwrap().to_owned());
    }
    let tilings =
        ["coop16", "coop16_exact", "coop16_stationary", "coop8", "register_blocked", "tiled"];
    assert_eq!(checked, tilings.map(str::to_owned).into());
}

#[test]
fn a_symbol_to_search_for_has_one_layout_in_rust_and_wgsl() {
    let expected = [
        ("end", offset_of!(SearchedSymbol, end)),
        ("bits", offset_of!(SearchedSymbol, bits)),
        ("latent", offset_of!(SearchedSymbol, latent)),
        ("latents", offset_of!(SearchedSymbol, latents)),
        ("tables", offset_of!(SearchedSymbol, tables)),
        ("stride", offset_of!(SearchedSymbol, stride)),
        ("position", offset_of!(SearchedSymbol, position)),
        ("table_scales", offset_of!(SearchedSymbol, table_scales)),
        ("cost_scale", offset_of!(SearchedSymbol, cost_scale)),
        ("narrow", offset_of!(SearchedSymbol, narrow)),
        ("low", offset_of!(SearchedSymbol, low)),
        ("high", offset_of!(SearchedSymbol, high)),
        ("max_slopes", offset_of!(SearchedSymbol, max_slopes)),
        ("shifts", offset_of!(SearchedSymbol, shifts)),
        ("limits", offset_of!(SearchedSymbol, limits)),
        ("last_stride", offset_of!(SearchedSymbol, last_stride)),
    ];
    let searches = shipped_kernels();
    for kernel in searches.iter().filter(|kernel| kernel.name.starts_with("search.")) {
        let (module, _) = parsed(kernel);
        let (_, symbol) =
            module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Symbol")).unwrap();
        let TypeInner::Struct { members, span } = &symbol.inner else {
            panic!("a symbol is a struct");
        };
        let found: Vec<_> =
            members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
        assert_eq!(found, expected);
        assert_eq!(*span as usize, size_of::<SearchedSymbol>());
    }
}

#[test]
fn a_subgroup_searches_where_a_lane_has_eight_states() {
    for subgroup in [None, Some(8), Some(32), Some(64)] {
        for state_bits in [1, 3, 6, 8, 9, 12] {
            let mut caps = caps(false, None);
            caps.subgroup = subgroup;
            let recipes = recipes(&bits_model((state_bits, 20, false)), &caps, Default::default());
            let kernels = recipes.all().into_iter().flat_map(|recipe| recipe.kernels.clone());
            let names: BTreeSet<String> =
                kernels.map(|k| k.name).filter(|name| name.starts_with("search.")).collect();
            let by_subgroup = subgroup.is_some_and(|lanes| 8 * lanes == 1 << state_bits);
            let name = if by_subgroup { "search.trellis.subgroup" } else { "search.trellis" };
            assert_eq!(names, [name.to_owned()].into(), "{subgroup:?}, {state_bits} bits");
        }
    }
}

#[test]
fn threads_own_no_more_groups_than_a_search_has_room_for() {
    let kernels = shipped_kernels();
    let trellis: Vec<&Kernel> = kernels.iter().filter(|k| k.name == "search.trellis").collect();
    let room = constant(&parsed(trellis[0]).0, "MAX_OWNED").unwrap();
    assert_eq!(trellis.iter().filter_map(|kernel| value(kernel, "OWNED")).max(), Some(room));
}

/// Wrong names are errors: no other buffer is bound instead of a missing one.
#[test]
fn sections_and_residents_that_are_missing_are_errors() {
    let caps = caps(false, None);
    for model in [int8_model([20, 256], false), bits_model((8, 64, true))] {
        let recipes = recipes(&model, &caps, Default::default());
        for recipe in recipes.all() {
            let needs =
                |binding: &Binding| recipe.kernels.iter().any(|k| k.bindings.contains(binding));
            for (resident, _) in &recipes.residents {
                let others = recipes.residents.iter().filter(|(r, _)| r != resident);
                let result = recipe.check(&others.cloned().collect::<Vec<_>>(), &caps);
                assert_eq!(result.is_err(), needs(&Binding::Resident(*resident)), "{resident:?}");
            }
            let without = |section: Section| {
                let mut recipe: Recipe = recipe.clone();
                let layout = &mut recipe.layout;
                for sections in [&mut layout.inputs, &mut layout.scratch, &mut layout.outputs] {
                    sections.retain(|(found, _)| *found != section);
                }
                recipe
            };
            for (section, _) in recipe.layout.sections() {
                let error = without(*section).check(&recipes.residents, &caps).unwrap_err();
                let named = error.to_string().contains(&format!("{section:?}"));
                assert!(matches!(error, Error::Internal { .. }) && named, "{error}");
            }
        }
    }
}
