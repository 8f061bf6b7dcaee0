//! The kernels that bring queries to the latent space of each region.

use std::ops::Range;

use super::scan::{AtOnce, ScanShape, SearchBuffer};
use super::{Binding, Kernel, Resident, shaders};
use crate::plan::Grid;

/// Threads of a workgroup of these kernels.
const WORKGROUP: u64 = 256;
/// Fours of values that a workgroup of `shaders/search/project.wgsl` projects: `LANES` there.
const LANES: u32 = 16;
/// `SLICES` there.
const SLICES: u32 = 16;
/// Queries that a workgroup projects.
const QUERIES: u32 = 4;

/// How many roundings the sum of a projection is off by, at most: see `shaders/search/project.wgsl`. Two more are of
/// the query and of the weights.
pub(crate) fn projection_roundings(dim: usize) -> usize {
    dim.div_ceil(SLICES as usize) + 5 + 2
}

/// The kernel that projects scaled queries with the weights of some regions.
pub(crate) fn project(
    shape: &ScanShape,
    dim: u32,
    at_once: AtOnce,
    regions: &Range<usize>,
) -> Kernel {
    use SearchBuffer::{Projected, ScaledRows};
    Kernel {
        name: "queries.project".to_owned(),
        files: vec![&shaders::PROJECT],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("FIRST_REGION", regions.start as f64),
            ("INPUTS", dim.into()),
            ("VALUES4", shape.values4.into()),
            ("QUERIES", at_once.side_by_side().into()),
        ],
        bindings: vec![
            Binding::Search(ScaledRows),
            Binding::Resident(Resident::QueryWeights),
            Binding::Search(Projected),
        ],
        grid: Grid::One,
        loop_iterations: u64::from(dim.div_ceil(SLICES)) + 5 * u64::from(QUERIES),
        workgroup_bytes: WORKGROUP * 16 * u64::from(QUERIES),
    }
}

/// Workgroups of that kernel.
pub(crate) fn project_groups(shape: &ScanShape, queries: u32, regions: &Range<usize>) -> [u32; 2] {
    let blocks = (shape.values4 + 1).div_ceil(LANES);
    [regions.len() as u32 * blocks, queries.div_ceil(QUERIES)]
}

/// The kernel that rounds projected queries to matrices of f16.
pub(crate) fn matrices(shape: &ScanShape) -> Kernel {
    use SearchBuffer::{Centers, Projected, Queries};
    Kernel {
        name: "queries.matrices".to_owned(),
        files: vec![&shaders::FLOAT_BITS, &shaders::MATRICES],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("VALUES4", shape.values4.into()),
            ("MATRIX_VALUES", shape.matrix_values().into()),
            ("BLOCK_QUERIES", AtOnce::Many.count() as f64),
        ],
        bindings: [Projected, Queries, Centers].map(Binding::Search).to_vec(),
        grid: Grid::One,
        loop_iterations: 2 * u64::from(shape.matrix_values()).div_ceil(WORKGROUP),
        workgroup_bytes: 4,
    }
}
