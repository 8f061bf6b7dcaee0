//! Matrix multiplication (GEMM) of rows or codes with a layer's weights.

use super::shaders::{self, ShaderFile};
use super::tiling::GemmTiling;
use super::{Binding, Kernel, Resident};
use crate::plan::{Items, Section, padded};

/// `scales` in `shaders/epilogue/int8_codes.wgsl`, behind what any left operand needs.
const QUANTIZED_SCALES_BINDING: usize = 6;
/// `order` in `shaders/gemm/rows_by_region.wgsl`.
const ORDER_BINDING: usize = 8;
/// Iterations of the search for the region of a tile, which are 8, and room to spare.
const SEARCH_STEPS: u64 = 64;

/// The left operand of a GEMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lhs {
    /// 8-bit codes. The result of each row is multiplied by the row's scale.
    Int8Codes,
    /// Bit codes of `words` 32-bit words per row. The result of each row is multiplied by the row's
    /// scale. `exact` says whether f16 holds the values of the tables exactly.
    BitCodes { words: u32, exact: bool },
    /// Rows or latents as f32.
    Rows,
    /// Rows as f16.
    RowsF16,
    /// Rows minus a centroid. The rows are f16 with `f16`, else f32.
    CenteredRows { f16: bool, centroid: Resident },
    /// Latents of bit codes.
    Latents,
}

/// How results are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epilogue {
    /// Stored as f32, padded to four values.
    StorePadded,
    /// Stored as f32 without padding.
    StoreTight,
    /// Stored as f16, padded to four values.
    StoreF16,
    /// Quantised to 8-bit codes and scales.
    Quantize,
}

/// A linear layer, or one for each region: its shape, and where its weights are.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) relu: bool,
    pub(crate) tiling: GemmTiling,
    pub(crate) spans: Vec<Span>,
    pub(crate) bias: Resident,
    /// How rows come to the weights of their regions; none where there is one region.
    pub(crate) by_region: Option<ByRegion>,
}

impl Layer {
    /// The tiling of its GEMM with this left operand.
    pub(crate) fn tiling_for(&self, lhs: Lhs) -> GemmTiling {
        match lhs {
            Lhs::Int8Codes => self.tiling.for_codes(self.inputs),
            Lhs::BitCodes { exact: true, .. } => self.tiling.for_exact_lhs(self.inputs),
            _ => self.tiling,
        }
    }
}

/// Weights of neighbouring regions that fit one binding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) weights: Resident,
    /// Undoes the power of two that the packed weights were multiplied by.
    pub(crate) descale: f32,
    pub(crate) first_region: u32,
    pub(crate) end_region: u32,
}

/// Rows that are multiplied with the weights of their regions, in the order of `Section::Order`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByRegion {
    pub(crate) regions: u32,
    pub(crate) items_per_row: u32,
}

impl ByRegion {
    pub(crate) fn items(self) -> Items {
        Items { per_row: self.items_per_row, groups: self.regions }
    }
}

/// The GEMM of `from` with a layer's weights, a kernel for each span of them. Results go to `to`, and
/// the scales of quantised latents to `Section::Scales`.
pub(crate) fn gemm(
    lhs: Lhs,
    layer: &Layer,
    epilogue: Epilogue,
    from: Section,
    to: Section,
) -> impl Iterator<Item = Kernel> {
    layer.spans.iter().map(move |span| gemm_of(lhs, layer, span, epilogue, from, to))
}

fn gemm_of(
    lhs: Lhs,
    layer: &Layer,
    span: &Span,
    epilogue: Epilogue,
    from: Section,
    to: Section,
) -> Kernel {
    let &Layer { inputs, outputs, relu, bias, by_region, .. } = layer;
    let tiling = layer.tiling_for(lhs);
    let ragged = epilogue == Epilogue::StoreTight && !outputs.is_multiple_of(4);
    let mut constants = vec![
        ("INPUTS4", (padded(inputs) / 4) as f64),
        ("OUTPUTS4", (padded(outputs) / 4) as f64),
        ("DESCALE", span.descale.into()),
    ];
    constants.extend(tiling.constants(inputs, outputs));
    let mut bindings =
        vec![Binding::Params, Binding::Resident(span.weights), Binding::Resident(bias)];
    bindings.extend([from, to].map(Binding::Section));
    match lhs {
        Lhs::Int8Codes => bindings.push(Binding::Section(Section::Scales)),
        Lhs::BitCodes { words, .. } => {
            constants.push(("CODE_WORDS", words.into()));
            bindings.push(Binding::Section(Section::Scales));
            bindings.extend([Resident::BitLayout, Resident::BitTables].map(Binding::Resident));
        }
        Lhs::Rows | Lhs::RowsF16 => {}
        Lhs::CenteredRows { centroid, .. } => bindings.push(Binding::Resident(centroid)),
        Lhs::Latents => bindings.push(Binding::Resident(Resident::ReciprocalSteps)),
    }
    if !matches!(lhs, Lhs::Int8Codes | Lhs::BitCodes { .. }) {
        constants.push(("RELU", f64::from(u8::from(relu))));
    }
    if ragged {
        constants.push(("OUTPUTS", outputs as f64));
    }
    if epilogue == Epilogue::Quantize {
        bindings.resize(QUANTIZED_SCALES_BINDING, Binding::Unused);
        bindings.push(Binding::Section(Section::Scales));
    }
    if let Some(ByRegion { regions, items_per_row }) = by_region {
        bindings.resize(ORDER_BINDING, Binding::Unused);
        bindings.push(Binding::Section(Section::Order));
        constants.extend([
            ("REGIONS", regions.into()),
            ("ITEMS_PER_ROW", items_per_row.into()),
            ("FIRST_REGION", span.first_region.into()),
            ("END_REGION", span.end_region.into()),
        ]);
    }
    Kernel {
        name: name(lhs, tiling, epilogue, ragged)
            + if by_region.is_some() { ".by_region" } else { "" },
        files: files(lhs, tiling, epilogue, ragged, by_region.is_some()),
        constants,
        bindings,
        grid: tiling.grid(outputs, by_region.map_or(Items::ROWS, ByRegion::items)),
        loop_iterations: tiling.loop_iterations(inputs) + by_region.map_or(0, |_| SEARCH_STEPS),
        workgroup_bytes: tiling.workgroup_bytes(),
    }
}

fn name(lhs: Lhs, tiling: GemmTiling, epilogue: Epilogue, ragged: bool) -> String {
    let lhs = match lhs {
        Lhs::Int8Codes => "decode",
        Lhs::BitCodes { .. } => "decode_bits",
        Lhs::Rows => "project",
        Lhs::RowsF16 => "project_f16_rows",
        Lhs::CenteredRows { f16: false, .. } => "project_centered",
        Lhs::CenteredRows { f16: true, .. } => "project_centered_f16_rows",
        Lhs::Latents => "decode_latents",
    };
    let epilogue = match epilogue {
        Epilogue::StoreTight if ragged => "store_f32_ragged",
        Epilogue::StorePadded | Epilogue::StoreTight => "store_f32",
        Epilogue::StoreF16 => "store_f16",
        Epilogue::Quantize => "quantize",
    };
    format!("{lhs}.gemm.{}.{}.{epilogue}", tiling.name(), tiling.operands())
}

fn files(
    lhs: Lhs,
    tiling: GemmTiling,
    epilogue: Epilogue,
    ragged: bool,
    by_region: bool,
) -> Vec<&'static ShaderFile> {
    let quantizes = epilogue == Epilogue::Quantize;
    // The files of cooperative matrices come first: WGSL wants extensions enabled before all else.
    let mut files = match tiling {
        GemmTiling::RegisterBlocked { .. } => vec![&shaders::REGISTER_BLOCKED],
        GemmTiling::Tiled { .. } => vec![&shaders::TILED],
        GemmTiling::Coop { side: 8, .. } => vec![&shaders::COOP_8X8, &shaders::COOP],
        GemmTiling::Coop { .. } | GemmTiling::ExactLhs | GemmTiling::WeightStationary { .. } => {
            vec![&shaders::COOP_16X16, &shaders::COOP]
        }
    };
    files.extend(match tiling {
        GemmTiling::RegisterBlocked { f16_weights } | GemmTiling::Tiled { f16_weights, .. } => {
            vec![if f16_weights { &shaders::RHS_F16 } else { &shaders::RHS_F32 }]
        }
        GemmTiling::Coop { split: true, .. } => vec![&shaders::COOP_K_LOOP, &shaders::COOP_2XF16],
        GemmTiling::Coop { split: false, .. } => {
            vec![&shaders::COOP_K_LOOP, &shaders::COOP_F16, &shaders::WHOLE_WEIGHTS]
        }
        GemmTiling::ExactLhs => {
            vec![&shaders::COOP_K_LOOP, &shaders::COOP_F16, &shaders::SPLIT_WEIGHTS]
        }
        GemmTiling::WeightStationary { .. } => vec![&shaders::COOP_WEIGHT_STATIONARY],
    });
    files.extend([&shaders::PARAMS, &shaders::FLOAT_BITS, &shaders::GEMM]);
    files.extend(match by_region {
        false => vec![&shaders::ROWS_IN_ORDER],
        true => vec![&shaders::REGIONS, &shaders::ROWS_BY_REGION],
    });
    files.extend(match lhs {
        Lhs::Int8Codes => vec![&shaders::ROW_SCALES, &shaders::LHS_INT8_CODES],
        Lhs::BitCodes { .. } => {
            vec![&shaders::ROW_SCALES, &shaders::LHS_BIT_CODES, &shaders::INEXACT_IN_F16]
        }
        Lhs::Rows => vec![&shaders::ROWS_F32, &shaders::LHS_ROWS, &shaders::LHS_ROW_LAYER],
        Lhs::RowsF16 => vec![&shaders::ROWS_F16, &shaders::LHS_ROWS, &shaders::LHS_ROW_LAYER],
        Lhs::CenteredRows { f16, .. } => {
            let rows = if f16 { &shaders::ROWS_F16 } else { &shaders::ROWS_F32 };
            let own = &shaders::LHS_CENTERED_ROWS;
            vec![rows, own, &shaders::LHS_ROW_LAYER, &shaders::INEXACT_IN_F16]
        }
        Lhs::Latents => vec![
            &shaders::ROWS_F32,
            &shaders::LHS_LATENTS,
            &shaders::LHS_ROW_LAYER,
            &shaders::INEXACT_IN_F16,
        ],
    });
    files.extend(match tiling {
        GemmTiling::Coop { .. } if quantizes => Some(&shaders::COOP_QUANTIZE),
        GemmTiling::Coop { .. } | GemmTiling::ExactLhs | GemmTiling::WeightStationary { .. } => {
            Some(&shaders::COOP_STORE)
        }
        GemmTiling::Tiled { .. } if quantizes => Some(&shaders::TILED_QUANTIZE),
        GemmTiling::Tiled { .. } => Some(&shaders::TILED_STORE),
        GemmTiling::RegisterBlocked { .. } => None,
    });
    files.extend(match epilogue {
        Epilogue::Quantize => vec![&shaders::QUANTIZER, &shaders::STORE_INT8_CODES],
        Epilogue::StoreF16 => vec![&shaders::STORE_F16],
        Epilogue::StoreTight if ragged => vec![&shaders::STORE_F32_RAGGED],
        Epilogue::StoreTight | Epilogue::StorePadded => vec![&shaders::STORE_F32_PADDED],
    });
    files
}
