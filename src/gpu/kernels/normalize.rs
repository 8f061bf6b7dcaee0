//! Rows divided by their norms.

use super::shaders;
use super::tiling::WORKGROUP;
use super::{Binding, Kernel};
use crate::plan::{Grid, Section};

/// Divides rows of `rows4` vec4s by their norms, and stores the norms in `norms`.
pub(crate) fn normalize(rows4: u64, f16_rows: bool, norms: Section) -> Kernel {
    let mut bindings = vec![Binding::Params];
    bindings.extend([Section::UnitRows, norms, Section::Rows].map(Binding::Section));
    let (name, rows) = match f16_rows {
        false => ("normalize.rows", &shaders::ROWS_F32),
        true => ("normalize.f16_rows", &shaders::ROWS_F16),
    };
    Kernel {
        name: name.to_owned(),
        files: vec![&shaders::PARAMS, &shaders::FLOAT_BITS, rows, &shaders::NORMALIZE],
        constants: vec![("INPUTS4", rows4 as f64), ("WORKGROUP", WORKGROUP.into())],
        bindings,
        grid: Grid::of_rows(WORKGROUP, 1),
        loop_iterations: 3 * rows4,
        workgroup_bytes: 0,
    }
}
