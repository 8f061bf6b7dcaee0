//! The kernels that score scalar codes by bundles of latents.

use super::scan::{SearchBuffer, TILE, bindings};
use super::{Binding, Kernel, Resident, ScanShape, shaders};
use crate::plan::Grid;

/// Bundles of a word: as many as `shaders/search/bundle_products.wgsl` looks up.
pub(crate) const BUNDLES: usize = 6;

/// Threads of a workgroup where the adapter has as many.
pub(crate) const WIDE_THREADS: u32 = 512;

/// Bytes of uniform memory: of `bundles` in `shaders/search/bundles_in_uniform.wgsl`.
pub(crate) const UNIFORM_BYTES: usize = 16 * 4096;

/// `THREADS` in `shaders/search/bundle_tables.wgsl`.
const TABLE_THREADS: u64 = 64;

/// How bundles are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BundleShape {
    /// Words of a row's codes, and of what fills up the last four.
    pub(crate) words: u32,
    /// Latents of a bundle, at most.
    pub(crate) per_bundle: u32,
    /// Entries of the tables of a region, a multiple of four.
    pub(crate) entries: u32,
    /// Entries of the largest table.
    pub(crate) largest: u32,
    /// Whether uniform memory has room for how all words are read.
    pub(crate) in_uniform: bool,
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
    Kernel {
        name: "tables.bundles".to_owned(),
        files: vec![&shaders::BUNDLE_TABLES],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("BUNDLES", BUNDLES as f64),
            ("WORDS", bundles.words.into()),
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
        loop_iterations: u64::from(bundles.largest).div_ceil(TABLE_THREADS)
            * (1 + u64::from(bundles.per_bundle)),
        workgroup_bytes: 0,
    }
}

/// The kernel that scores the tiles of a round with one query.
pub(crate) fn bundle_scan(shape: &ScanShape, bundles: &BundleShape) -> Kernel {
    let mut constants = shape.constants();
    constants.extend([
        ("VALUES4", shape.values4.into()),
        ("WORDS", bundles.words.into()),
        ("ENTRIES", bundles.entries.into()),
    ]);
    let middle =
        [Binding::Resident(Resident::Bundles), Binding::Search(SearchBuffer::BundleTables)];
    let (rows_name, rows_file, rows) = match bundles.is_wide {
        true => ("two_rows", &shaders::TWO_ROWS, 2),
        false => ("four_rows", &shaders::FOUR_ROWS, 4),
    };
    let (home, home_file) = match bundles.in_uniform {
        true => ("uniform", &shaders::BUNDLES_IN_UNIFORM),
        false => ("storage", &shaders::BUNDLES_IN_STORAGE),
    };
    let threads = TILE as u64 / rows;
    Kernel {
        name: format!("scan.bundles.{home}.{rows_name}"),
        files: vec![
            &shaders::SEARCH,
            &shaders::SEARCH_CANDIDATES,
            &shaders::SCAN,
            rows_file,
            &shaders::ONE_QUERY,
            home_file,
            &shaders::BUNDLE_PRODUCTS,
        ],
        constants,
        bindings: bindings(middle),
        grid: Grid::of_rows(threads as u32, 1),
        // Of one tile.
        loop_iterations: u64::from(bundles.entries / 4).div_ceil(threads)
            + u64::from(bundles.words / 4) * (1 + 8 * rows)
            + 3 * rows,
        workgroup_bytes: bundles.table_bytes(),
    }
}
