//! The kernels that score bit codes with few queries, in integers of 8 bits.

use super::quads::STEP_LOOK_UPS;
use super::scan::{AtOnce, LISTS, SearchBuffer, TILE, bindings};
use super::{Binding, Kernel, Resident, ScanShape, shaders};
use crate::plan::Grid;

/// Threads of a workgroup of `shaders/search/quad_queries.wgsl`, and of `near_scores.wgsl`.
const THREADS: u64 = 256;
/// Threads that score a candidate there: `LANES`.
const LANES: u64 = 32;

/// Workgroups that score the candidates of a query.
pub(crate) const NEAR_WORKGROUPS: u64 = 128;

/// How quads are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuadShape {
    pub(crate) steps_per_region: u32,
    /// Words of all tables.
    pub(crate) table_words: u32,
    /// Workgroup memory of tables, steps and queries.
    pub(crate) workgroup_bytes: u64,
    /// Whether workgroups have [`WIDE_THREADS`](super::WIDE_THREADS) threads.
    pub(crate) is_wide: bool,
}

impl QuadShape {
    /// Bytes of a group of queries in a region: `packed_queries` in `shaders/search/quad_products.wgsl`.
    pub(crate) fn query_bytes(&self, at_once: AtOnce) -> u64 {
        16 * u64::from(self.query_fours(at_once))
    }

    fn query_fours(&self, at_once: AtOnce) -> u32 {
        2 * self.steps_per_region * at_once.count() as u32 + 3
    }
}

/// The kernel that rounds projected queries.
pub(crate) fn quad_queries(shape: &ScanShape, quads: &QuadShape, at_once: AtOnce) -> Kernel {
    use SearchBuffer::{PackedQueries, Projected};
    let look_ups = STEP_LOOK_UPS as u64 * u64::from(quads.steps_per_region);
    Kernel {
        name: "queries.quads".to_owned(),
        files: vec![&shaders::FLOAT_BITS, &shaders::LARGEST, &shaders::SUM, &shaders::QUAD_QUERIES],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("VALUES4", shape.values4.into()),
            ("LOOK_UPS", look_ups as f64),
            ("QUERIES", at_once.count() as f64),
        ],
        bindings: vec![
            Binding::Search(Projected),
            Binding::Resident(Resident::QuadBytes),
            Binding::Search(PackedQueries),
        ],
        grid: Grid::One,
        loop_iterations: 13 * look_ups.div_ceil(THREADS) + 9,
        workgroup_bytes: 4 * THREADS + 4,
    }
}

/// The kernel that scores the tiles of a round with one query or four.
pub(crate) fn quad_scan(shape: &ScanShape, quads: &QuadShape, at_once: AtOnce) -> Kernel {
    let queries = at_once.count() as u64;
    let (queries_name, queries_file) = match at_once {
        AtOnce::OneByQuads => ("one_query", &shaders::QUADS_OF_ONE_QUERY),
        _ => ("four_queries", &shaders::QUADS_OF_FOUR_QUERIES),
    };
    let (rows_name, rows_file, rows) = match quads.is_wide {
        true => ("two_rows", &shaders::TWO_ROWS, 2),
        false => ("four_rows", &shaders::FOUR_ROWS, 4),
    };
    let threads = TILE as u64 / rows;
    let steps = quads.steps_per_region;
    let query_fours = quads.query_fours(at_once);
    let mut constants = shape.constants();
    constants.extend([
        ("STEPS", steps.into()),
        ("QUADS", quads.table_words.into()),
        ("QUERY_FOURS", query_fours.into()),
    ]);
    let copies = u64::from(quads.table_words.max(query_fours)).div_ceil(threads);
    let packed = Binding::Search(SearchBuffer::PackedQueries);
    let own = [packed, Binding::Resident(Resident::Quads), Binding::Unused];
    Kernel {
        name: format!("scan.quads.{queries_name}.{rows_name}"),
        files: vec![
            &shaders::SEARCH,
            &shaders::SEARCH_ROWS,
            &shaders::SEARCH_CANDIDATES,
            &shaders::SCAN,
            rows_file,
            queries_file,
            &shaders::QUAD_PRODUCTS,
        ],
        constants,
        bindings: bindings(own, &LISTS),
        grid: Grid::of_rows(threads as u32, 1),
        // Of one tile.
        loop_iterations: 3 * copies
            + u64::from(steps) * (4 + 3 * rows)
            + u64::from(shape.code_words) * (2 + rows)
            + (3 + queries) * rows,
        workgroup_bytes: quads.workgroup_bytes,
    }
}

/// The kernel that scores candidates in f32, of which the lists have bounds on their keys. `capacity` is that of a list.
pub(crate) fn near_scores(shape: &ScanShape, pairs: u32, capacity: u32) -> Kernel {
    use SearchBuffer::{Candidates, Lists, Queries};
    let candidates = u64::from(capacity).div_ceil(THREADS / LANES * NEAR_WORKGROUPS);
    let look_ups = u64::from(2 * shape.values4).div_ceil(LANES);
    let pairs_and_look_ups = Binding::Resident(Resident::LookUps);
    let own = [Binding::Search(Queries), pairs_and_look_ups, Binding::Unused];
    let mut constants = shape.constants();
    constants.extend([
        ("VALUES4", shape.values4.into()),
        ("PAIRS", pairs.into()),
        ("LOOK_UPS", (shape.matrix_values() / 2).into()),
    ]);
    Kernel {
        name: "scan.near".to_owned(),
        files: vec![&shaders::SEARCH, &shaders::SEARCH_ROWS, &shaders::SUM, &shaders::NEAR_SCORES],
        constants,
        bindings: bindings(own, &[Lists, Candidates]),
        grid: Grid::One,
        loop_iterations: candidates * (look_ups + 7),
        workgroup_bytes: 4 * (THREADS + 1),
    }
}
