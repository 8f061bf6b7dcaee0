//! Rows of any length, padded to vectors of four values.

use super::shaders;
use super::tiling::WORKGROUP;
use super::{Binding, Kernel};
use crate::plan::{Grid, Section, count, padded};

/// Pads rows of `dim` values.
pub(crate) fn pad(dim: usize) -> Kernel {
    let vectors = count(padded(dim) / 4);
    let sections = [Section::Rows, Section::TightRows].map(Binding::Section);
    Kernel {
        name: "pad.rows".to_owned(),
        files: vec![&shaders::PARAMS, &shaders::PAD],
        constants: vec![
            ("INPUTS", dim as f64),
            ("INPUTS4", vectors.into()),
            ("WORKGROUP", WORKGROUP.into()),
        ],
        bindings: [Binding::Params].into_iter().chain(sections).collect(),
        grid: Grid::of_rows(WORKGROUP, vectors),
        loop_iterations: 4,
        workgroup_bytes: 0,
    }
}
