//! The kernels at both ends of a search: queries on a device, and the best of their candidates.

use super::scan::{ScanShape, SearchBuffer};
use super::{Binding, Kernel, shaders};
use crate::plan::Grid;

/// Threads of a workgroup of these kernels.
const WORKGROUP: u64 = 256;

/// The kernel that raises the thresholds after a round.
pub(crate) fn select() -> Kernel {
    use SearchBuffer::{Candidates, Found, Lists, Round};
    Kernel {
        name: "scan.select".to_owned(),
        files: vec![&shaders::SEARCH, &shaders::SELECT],
        constants: Vec::new(),
        bindings: bindings([Round, Candidates, Found].map(Binding::Search), 3, Lists),
        grid: Grid::One,
        loop_iterations: 0,
        workgroup_bytes: 4 * (2 * WORKGROUP + 1 + 2 + 1 + 1) + 8,
    }
}

/// The kernel that scales queries, rows of `dim` values of the caller's, and begins their lists.
pub(crate) fn prepare(shape: &ScanShape, dim: u32) -> Kernel {
    use SearchBuffer::{Lists, QueryRows, Round, ScaledRows};
    Kernel {
        name: "scan.prepare".to_owned(),
        files: vec![
            &shaders::FLOAT_BITS,
            &shaders::LARGEST,
            &shaders::SUM,
            &shaders::SEARCH,
            &shaders::PREPARE,
        ],
        constants: vec![("INPUTS", dim.into()), ("METRIC", shape.metric.into())],
        bindings: bindings([Round, QueryRows, ScaledRows].map(Binding::Search), 3, Lists),
        grid: Grid::One,
        loop_iterations: 3 * u64::from(dim).div_ceil(WORKGROUP) + 8,
        workgroup_bytes: 4 * WORKGROUP + 4,
    }
}

/// The kernel that writes hits in their order. `worst` is the score of a hit that there is none of.
pub(crate) fn rank(shape: &ScanShape, worst: f32) -> Kernel {
    use SearchBuffer::{Candidates, Hits, Lists, Round};
    Kernel {
        name: "scan.rank".to_owned(),
        files: vec![&shaders::SEARCH, &shaders::RANK],
        constants: vec![("METRIC", shape.metric.into()), ("WORST", worst.to_bits().into())],
        bindings: bindings([Round, Candidates, Hits].map(Binding::Search), 3, Lists),
        grid: Grid::One,
        loop_iterations: 0,
        workgroup_bytes: 0,
    }
}

/// Bindings in order, so many numbers without one, and the lists.
fn bindings(
    first: impl IntoIterator<Item = Binding>,
    unused: usize,
    lists: SearchBuffer,
) -> Vec<Binding> {
    let unused = std::iter::repeat_n(Binding::Unused, unused);
    first.into_iter().chain(unused).chain([Binding::Search(lists)]).collect()
}
