//! The kernels that score scalar codes by bundles of latents.

use super::scan::{LISTS, SearchBuffer, TILE, bindings};
use super::{Binding, Kernel, Resident, ScanShape, shaders};
use crate::plan::Grid;

/// The most bundles of a word: as many as `shaders/search/bundle_products.wgsl` looks up.
pub(crate) const MAX_BUNDLES: usize = 8;

/// The most bits of a bundle. Its table has 256 entries.
pub(crate) const MAX_BUNDLE_BITS: u32 = 8;

/// The most words of a row.
pub(crate) const MAX_WORDS: usize = 48;

/// Threads of a workgroup where the adapter has as many.
pub(crate) const WIDE_THREADS: u32 = 512;

/// `THREADS` in `shaders/search/bundle_tables.wgsl`.
const TABLE_THREADS: u64 = 64;

/// How bundles are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BundleShape {
    pub(crate) words: u32,
    /// Bundles of all words.
    pub(crate) bundles: u32,
    /// The bits of each word with which a bundle begins; 0 of words that there are not.
    pub(crate) starts: [u32; MAX_WORDS],
    /// Latents of a bundle, at most.
    pub(crate) per_bundle: u32,
    /// Entries of the tables of a region, a multiple of four.
    pub(crate) entries: u32,
    /// Whether workgroups have [`WIDE_THREADS`] threads.
    pub(crate) is_wide: bool,
}

impl BundleShape {
    /// Bytes of the tables of a region.
    pub(crate) fn table_bytes(&self) -> u64 {
        4 * u64::from(self.entries)
    }
}

/// The kernel that forms the tables of queries in all regions.
pub(crate) fn bundle_tables(shape: &ScanShape, bundles: &BundleShape) -> Kernel {
    let largest: u64 = 1 << MAX_BUNDLE_BITS;
    Kernel {
        name: "tables.bundles".to_owned(),
        files: vec![&shaders::BUNDLE_TABLES],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("BUNDLES", bundles.bundles.into()),
            ("PER_BUNDLE", bundles.per_bundle.into()),
            ("VALUES4", shape.values4.into()),
            ("ENTRIES", bundles.entries.into()),
        ],
        bindings: vec![
            Binding::Search(SearchBuffer::Queries),
            Binding::Resident(Resident::BundleLatents),
            Binding::Resident(Resident::BitTables),
            Binding::Resident(Resident::Bundles),
            Binding::Search(SearchBuffer::BundleTables),
        ],
        grid: Grid::One,
        loop_iterations: largest / TABLE_THREADS * (1 + u64::from(bundles.per_bundle)),
        workgroup_bytes: 0,
    }
}

/// The kernel that scores the tiles of a round with one query.
pub(crate) fn bundle_scan(shape: &ScanShape, bundles: &BundleShape) -> Kernel {
    let mut constants = shape.constants();
    constants.extend([("VALUES4", shape.values4.into()), ("ENTRIES", bundles.entries.into())]);
    constants.extend(STARTS.into_iter().zip(bundles.starts.map(f64::from)));
    let [queries, tables] =
        [SearchBuffer::Queries, SearchBuffer::BundleTables].map(Binding::Search);
    let (rows_name, rows_file, rows) = match bundles.is_wide {
        true => ("two_rows", &shaders::TWO_ROWS, 2),
        false => ("four_rows", &shaders::FOUR_ROWS, 4),
    };
    let threads = TILE as u64 / rows;
    Kernel {
        name: format!("scan.bundles.{rows_name}"),
        files: vec![
            &shaders::SEARCH,
            &shaders::SEARCH_ROWS,
            &shaders::SEARCH_CANDIDATES,
            &shaders::SCAN,
            &shaders::SCORES,
            rows_file,
            &shaders::ONE_QUERY,
            &shaders::BUNDLE_PRODUCTS,
        ],
        constants,
        bindings: bindings([queries, Binding::Unused, tables], &LISTS),
        grid: Grid::of_rows(threads as u32, 1),
        // Of one tile.
        loop_iterations: u64::from(bundles.entries / 4).div_ceil(threads)
            + 2 * rows * u64::from(bundles.words)
            + 3 * rows,
        workgroup_bytes: bundles.table_bytes(),
    }
}

macro_rules! starts {
    ($($word:literal)+) => {
        [$(concat!("STARTS_", $word)),+]
    };
}

/// The constants that say where the bundles of each word begin.
const STARTS: [&str; MAX_WORDS] = starts![
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23
    24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47
];
