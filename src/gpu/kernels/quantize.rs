//! Latents to 8-bit codes, where no tile of the GEMM holds all latents of a row.

use super::shaders;
use super::tiling::row_lanes;
use super::{Binding, Kernel};
use crate::plan::{Grid, Section};

/// Quantises rows of `latents4` vec4s of latents. With `shared`, threads share a row.
pub(crate) fn quantize(latents4: u64, shared: bool) -> Kernel {
    let (workgroup_size, lanes) = row_lanes(shared);
    let mut bindings = vec![Binding::Params];
    bindings.extend([Section::Latents, Section::Scales, Section::Codes].map(Binding::Section));
    Kernel {
        name: "quantize.rows".to_owned(),
        files: vec![
            &shaders::PARAMS,
            &shaders::FLOAT_BITS,
            &shaders::QUANTIZER,
            &shaders::QUANTIZE,
        ],
        constants: vec![
            ("LATENTS4", latents4 as f64),
            ("WORKGROUP", workgroup_size.into()),
            ("LANES", lanes.into()),
        ],
        bindings,
        grid: Grid::of_rows(workgroup_size, lanes),
        loop_iterations: 2 * latents4.div_ceil(lanes.into()) + u64::from(lanes),
        workgroup_bytes: 4 * u64::from(workgroup_size),
    }
}
