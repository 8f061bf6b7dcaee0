//! The files of `shaders/`.

/// A file of `shaders/`, by its path there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShaderFile {
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
}

macro_rules! files {
    ($($name:ident = $path:literal;)+) => {
        $(pub(super) static $name: ShaderFile = ShaderFile {
            path: $path,
            text: include_str!(concat!("../../../shaders/", $path)),
        };)+
        /// All of them.
        #[cfg(test)]
        pub(crate) fn all() -> Vec<&'static ShaderFile> {
            vec![$(&$name),+]
        }
    };
}

files! {
    PARAMS = "lib/params.wgsl";
    FLOAT_BITS = "lib/float_bits.wgsl";
    LARGEST = "lib/largest.wgsl";
    SUM = "lib/sum.wgsl";
    QUANTIZER = "lib/quantizer.wgsl";
    ROWS_F32 = "lib/rows_f32.wgsl";
    ROWS_F16 = "lib/rows_f16.wgsl";
    GEMM = "gemm/contract.wgsl";
    ROWS_IN_ORDER = "gemm/rows_in_order.wgsl";
    ROWS_BY_REGION = "gemm/rows_by_region.wgsl";
    REGISTER_BLOCKED = "gemm/register_blocked.wgsl";
    TILED = "gemm/tiled.wgsl";
    TILED_STORE = "gemm/tiled_store.wgsl";
    TILED_QUANTIZE = "gemm/tiled_quantize.wgsl";
    COOP = "gemm/coop.wgsl";
    COOP_8X8 = "gemm/coop_8x8.wgsl";
    COOP_16X16 = "gemm/coop_16x16.wgsl";
    COOP_K_LOOP = "gemm/coop_k_loop.wgsl";
    WHOLE_WEIGHTS = "gemm/whole_weights.wgsl";
    SPLIT_WEIGHTS = "gemm/split_weights.wgsl";
    COOP_F16 = "gemm/coop_f16.wgsl";
    COOP_2XF16 = "gemm/coop_2xf16.wgsl";
    COOP_WEIGHT_STATIONARY = "gemm/coop_weight_stationary.wgsl";
    COOP_STORE = "gemm/coop_store.wgsl";
    COOP_QUANTIZE = "gemm/coop_quantize.wgsl";
    LHS_INT8_CODES = "lhs/int8_codes.wgsl";
    LHS_BIT_CODES = "lhs/bit_codes.wgsl";
    LHS_ROWS = "lhs/rows.wgsl";
    LHS_ROW_LAYER = "lhs/row_layer.wgsl";
    LHS_CENTERED_ROWS = "lhs/centered_rows.wgsl";
    LHS_LATENTS = "lhs/latents.wgsl";
    INEXACT_IN_F16 = "lhs/inexact_in_f16.wgsl";
    ROW_SCALES = "lhs/row_scales.wgsl";
    RHS_F32 = "rhs/f32.wgsl";
    RHS_F16 = "rhs/f16.wgsl";
    STORE_F32_PADDED = "epilogue/f32_padded.wgsl";
    STORE_F32_RAGGED = "epilogue/f32_ragged.wgsl";
    STORE_F16 = "epilogue/f16.wgsl";
    STORE_INT8_CODES = "epilogue/int8_codes.wgsl";
    QUANTIZE = "rows/quantize.wgsl";
    PAD = "rows/pad.wgsl";
    NORMALIZE = "rows/normalize.wgsl";
    BITS = "bits/contract.wgsl";
    ONE_REGION = "bits/one_region.wgsl";
    ROW_REGIONS = "bits/row_regions.wgsl";
    BITS_SCALAR = "bits/scalar.wgsl";
    BITS_COSTS = "bits/costs.wgsl";
    BITS_TRACE_BACK = "bits/trace_back.wgsl";
    BITS_TRELLIS = "bits/trellis.wgsl";
    BITS_TRELLIS_SUBGROUP = "bits/trellis_subgroup.wgsl";
    REGIONS = "regions/contract.wgsl";
    REGIONS_OF_CODES = "regions/of_codes.wgsl";
    REGIONS_OF_ITEMS = "regions/of_items.wgsl";
    COUNT = "regions/count.wgsl";
    START = "regions/start.wgsl";
    SCATTER = "regions/scatter.wgsl";
    SHORTLIST = "regions/shortlist.wgsl";
    CHOOSE = "regions/choose.wgsl";
    SEARCH = "search/contract.wgsl";
    SEARCH_ROWS = "search/rows.wgsl";
    SEARCH_CANDIDATES = "search/candidates.wgsl";
    SCAN = "search/scan.wgsl";
    SCORES = "search/scores.wgsl";
    COOP_SCAN = "search/coop_scan.wgsl";
    ONE_QUERY = "search/one_query.wgsl";
    FOUR_QUERIES = "search/four_queries.wgsl";
    INT8_PRODUCTS = "search/int8_products.wgsl";
    BIT_PRODUCTS = "search/bit_products.wgsl";
    PAIRS_IN_WORKGROUP = "search/pairs_in_workgroup.wgsl";
    PAIRS_IN_STORAGE = "search/pairs_in_storage.wgsl";
    TWO_ROWS = "search/two_rows.wgsl";
    FOUR_ROWS = "search/four_rows.wgsl";
    BUNDLE_TABLES = "search/bundle_tables.wgsl";
    BUNDLE_PRODUCTS = "search/bundle_products.wgsl";
    QUAD_QUERIES = "search/quad_queries.wgsl";
    QUAD_PRODUCTS = "search/quad_products.wgsl";
    NEAR_SCORES = "search/near_scores.wgsl";
    QUADS_OF_ONE_QUERY = "search/quads_of_one_query.wgsl";
    QUADS_OF_FOUR_QUERIES = "search/quads_of_four_queries.wgsl";
    SELECT = "search/select.wgsl";
    PREPARE = "search/prepare.wgsl";
    PROJECT = "search/project.wgsl";
    MATRICES = "search/matrices.wgsl";
    RANK = "search/rank.wgsl";
}
