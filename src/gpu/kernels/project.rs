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

/// Weights that one binding holds: of some regions, and of some of their values, in fours.
#[derive(Clone, Debug)]
pub(crate) struct WeightPart {
    pub(crate) regions: Range<usize>,
    pub(crate) fours: Range<u32>,
}

/// The kernel that projects scaled queries with a part of the weights.
pub(crate) fn project(shape: &ScanShape, dim: u32, at_once: AtOnce, part: &WeightPart) -> Kernel {
    use SearchBuffer::{Projected, ScaledRows};
    Kernel {
        name: "queries.project".to_owned(),
        files: vec![&shaders::PROJECT],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("FIRST_REGION", part.regions.start as f64),
            ("INPUTS", dim.into()),
            ("VALUES4", shape.values4.into()),
            ("FIRST_FOUR", part.fours.start.into()),
            ("PART_FOURS", (part.fours.len() as u32).into()),
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
pub(crate) fn project_groups(queries: u32, part: &WeightPart) -> [u32; 2] {
    let blocks = (part.fours.len() as u32).div_ceil(LANES);
    [part.regions.len() as u32 * blocks, queries.div_ceil(QUERIES)]
}

/// The kernel that rounds projected queries to matrices of f16.
pub(crate) fn matrices(shape: &ScanShape) -> Kernel {
    use SearchBuffer::{Centers, Projected, Queries};
    Kernel {
        name: "queries.matrices".to_owned(),
        files: vec![&shaders::FLOAT_BITS, &shaders::LARGEST, &shaders::MATRICES],
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
