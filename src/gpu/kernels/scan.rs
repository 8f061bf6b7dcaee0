//! The kernels of a search that score rows.

use super::shaders;
use super::{Binding, Kernel, Resident};
use crate::plan::Grid;

/// Rows of a tile: `TILE` in `shaders/search/candidates.wgsl`.
pub(crate) const TILE: usize = 1024;

/// `ROWS` in `shaders/search/four_rows.wgsl`.
const ROWS: u64 = 4;

/// `BLOCK_QUERIES` in `shaders/search/coop_scan.wgsl`.
const BLOCK_QUERIES: usize = 256;

/// `PANEL` there.
const PANEL: usize = 32;

/// Bytes of workgroup memory there, beside the pairs.
const COOP_BYTES: u64 = 2 * 128 * 40 + 4 * 16 * 256 + 16 * 2 * 128 + 12 * 256;

/// What a search binds beside data of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchBuffer {
    /// The parameters of a dispatch.
    Round,
    /// The rows and the region of each tile.
    Tiles,
    /// Codes, and what a metric needs of each row.
    Planes,
    /// Queries as a scan reads them: projected ones, or matrices of them.
    Queries,
    /// Queries in integers of 8 bits, and how far products with them are off.
    PackedQueries,
    /// Queries in the latent space of each region.
    Projected,
    /// The threshold and the number of candidates of each query.
    Lists,
    Candidates,
    /// Products with centroids, where queries lie in matrices.
    Centers,
    /// A bit for each row.
    Allowed,
    /// A query's tables of bundles.
    BundleTables,
    /// The rows that are read back.
    Found,
    /// Queries as rows, in a buffer of the caller's.
    QueryRows,
    /// The same, multiplied by what their metric says.
    ScaledRows,
    /// The hits, in a buffer of the caller's.
    Hits,
}

/// How a model's rows are scored with a metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanShape {
    /// Words of a row's codes.
    pub(crate) code_words: u32,
    /// Planes of a tile: words of codes, and what else is there of each row.
    pub(crate) planes: u32,
    pub(crate) regions: u32,
    /// Values of a query in the longest region, in fours.
    pub(crate) values4: u32,
    /// As `METRIC` in `shaders/search/candidates.wgsl`.
    pub(crate) metric: u32,
    /// As `SCALES` there.
    pub(crate) scales: u32,
    /// Bit codes; none for 8-bit codes.
    pub(crate) bits: Option<PairShape>,
}

/// How bit codes are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairShape {
    pub(crate) steps_per_region: u32,
    pub(crate) pairs: u32,
    /// Whether pairs are copied to workgroup memory, as f16.
    pub(crate) in_workgroup: bool,
}

/// How many queries a kernel answers together, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtOnce {
    One,
    /// One, whose products with rows are looked up by bundles of latents.
    OneByBundles,
    /// One in integers of 8 bits.
    OneByQuads,
    Four,
    /// Four in integers of 8 bits.
    FourByQuads,
    /// A block of them, on cooperative matrices.
    Many,
}

impl AtOnce {
    /// How many queries' values lie side by side where they are projected.
    pub(crate) fn side_by_side(self) -> u32 {
        if self == Self::Four { 4 } else { 1 }
    }

    /// Whether rows are multiplied in integers of 8 bits, and listed by their positions.
    pub(crate) fn is_by_quads(self) -> bool {
        matches!(self, Self::OneByQuads | Self::FourByQuads)
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Self::One | Self::OneByBundles | Self::OneByQuads => 1,
            Self::Four | Self::FourByQuads => 4,
            Self::Many => BLOCK_QUERIES,
        }
    }
}

/// The kernel that scores the tiles of a round with one query or four.
pub(crate) fn scan(shape: &ScanShape, at_once: AtOnce) -> Kernel {
    let mut files = vec![
        &shaders::SEARCH,
        &shaders::SEARCH_ROWS,
        &shaders::SEARCH_CANDIDATES,
        &shaders::SCAN,
        &shaders::SCORES,
        &shaders::FOUR_ROWS,
    ];
    let (queries, file) = match at_once {
        AtOnce::One => ("one_query", &shaders::ONE_QUERY),
        _ => ("four_queries", &shaders::FOUR_QUERIES),
    };
    files.push(file);
    let mut constants = shape.constants();
    constants.push(("VALUES4", shape.values4.into()));
    let mut own = [Binding::Search(SearchBuffer::Queries), Binding::Unused, Binding::Unused];
    let (name, steps, workgroup_bytes) = match shape.bits {
        None => {
            files.push(&shaders::INT8_PRODUCTS);
            ("scan.int8", u64::from(shape.code_words), 0)
        }
        Some(PairShape { steps_per_region, pairs, in_workgroup }) => {
            files.push(&shaders::BIT_PRODUCTS);
            constants.push(("STEPS", steps_per_region.into()));
            own[1..]
                .copy_from_slice(&[Resident::SearchSteps, Resident::Pairs].map(Binding::Resident));
            let steps = u64::from(steps_per_region) + u64::from(shape.values4);
            match in_workgroup {
                true => {
                    files.push(&shaders::PAIRS_IN_WORKGROUP);
                    constants.push(("PAIRS", pairs.into()));
                    ("scan.bits.workgroup", steps, 4 * u64::from(pairs))
                }
                false => {
                    files.push(&shaders::PAIRS_IN_STORAGE);
                    ("scan.bits.storage", steps, 0)
                }
            }
        }
    };
    Kernel {
        name: format!("{name}.{queries}"),
        files,
        constants,
        bindings: bindings(own, &LISTS),
        grid: Grid::of_rows((TILE as u64 / ROWS) as u32, 1),
        // Of one tile.
        loop_iterations: (1 + ROWS) * steps + ROWS * (1 + at_once.count() as u64),
        workgroup_bytes,
    }
}

/// The kernel that scores the tiles of a round with blocks of queries, for adapters with cooperative matrices
/// of 16 x 16. `pairs` is the number of pairs.
pub(crate) fn coop_scan(shape: &ScanShape, pairs: u32) -> Kernel {
    let mut constants = shape.constants();
    constants.extend([("PAIRS", pairs.into()), ("PANELS", shape.panels().into())]);
    let [queries, centers] = [SearchBuffer::Queries, SearchBuffer::Centers].map(Binding::Search);
    let own = [queries, Binding::Resident(Resident::LookUps), centers];
    Kernel {
        name: "scan.bits.coop16".to_owned(),
        files: vec![
            &shaders::COOP_SCAN,
            &shaders::SEARCH,
            &shaders::SEARCH_ROWS,
            &shaders::SEARCH_CANDIDATES,
        ],
        constants,
        bindings: bindings(own, &LISTS),
        grid: Grid::One,
        loop_iterations: 0,
        workgroup_bytes: coop_bytes(pairs),
    }
}

/// Bytes of workgroup memory of that kernel.
pub(crate) fn coop_bytes(pairs: u32) -> u64 {
    COOP_BYTES + 4 * u64::from(pairs)
}

/// Lists, and what says which rows may be added to them.
pub(super) const LISTS: [SearchBuffer; 3] =
    [SearchBuffer::Lists, SearchBuffer::Candidates, SearchBuffer::Allowed];

/// The bindings of a kernel that scores rows, of which three are its own.
pub(super) fn bindings(own: [Binding; 3], lists: &[SearchBuffer]) -> Vec<Binding> {
    use SearchBuffer::{Planes, Round, Tiles};
    let first = [Round, Tiles, Planes].map(Binding::Search);
    let lists = lists.iter().copied().map(Binding::Search);
    first.into_iter().chain(own).chain(lists).collect()
}

impl ScanShape {
    /// What `shaders/search/candidates.wgsl` declares.
    pub(super) fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("REGIONS", self.regions.into()),
            ("METRIC", self.metric.into()),
            ("SCALES", self.scales.into()),
            ("PLANES", self.planes.into()),
            ("CODE_WORDS", self.code_words.into()),
        ]
    }

    /// Panels of values of a query in the longest region.
    pub(crate) fn panels(&self) -> u32 {
        self.values4.div_ceil(PANEL as u32 / 4)
    }

    /// Values of a query in matrices.
    pub(crate) fn matrix_values(&self) -> u32 {
        self.panels() * PANEL as u32
    }
}
