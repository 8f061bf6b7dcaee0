//! Regions on the device: the kernels that choose them, and that sort rows by them.

use super::gemm::ByRegion;
use super::shaders;
use super::tiling::{WORKGROUP, row_lanes};
use super::{Binding, Kernel, Resident};
use crate::plan::{Grid, Items, Section};

/// `WORKGROUP` in `shaders/regions/count.wgsl` and `start.wgsl`.
const SORT_WORKGROUP: u32 = 256;
const SORT_BYTES: u64 = 2 * 4 * SORT_WORKGROUP as u64;

/// Where the regions of items are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RegionsOf {
    /// In the first bits of codes of so many words.
    Codes { words: u32, id_bits: u32 },
    /// In a section of their own.
    Items(Section),
}

/// Bytes per item of `Section::Ranks`, and of `Section::Order`.
pub(crate) const RANK_BYTES: u64 = 8;
pub(crate) const ORDER_BYTES: u64 = 4;

/// Bytes in front of the order: see `shaders/regions/contract.wgsl`.
pub(crate) fn order_head_bytes(regions: u32) -> u64 {
    4 * (3 * u64::from(regions) + 2)
}

/// The kernels that sort items by their regions, for a GEMM in tiles of `tile_rows` items.
pub(crate) fn region_order(by: ByRegion, of: RegionsOf, tile_rows: u32) -> [Kernel; 3] {
    let ByRegion { regions, items_per_row } = by;
    let constants = vec![("REGIONS", regions.into()), ("ITEMS_PER_ROW", items_per_row.into())];
    let kernel = |name: &str, file, bindings: &[Section]| Kernel {
        name: name.to_owned(),
        files: vec![&shaders::PARAMS, &shaders::REGIONS, file],
        constants: constants.clone(),
        bindings: [Binding::Params]
            .into_iter()
            .chain(bindings.iter().copied().map(Binding::Section))
            .collect(),
        grid: Grid::Threads {
            workgroup_size: SORT_WORKGROUP,
            tile_rows: 1,
            columns: 1,
            items: Items { per_row: items_per_row, groups: 1 },
        },
        loop_iterations: 0,
        workgroup_bytes: SORT_BYTES,
    };
    let (order, ranks) = (Section::Order, Section::Ranks);
    let count = match of {
        RegionsOf::Codes { words, id_bits } => {
            let bindings = [order, ranks, Section::Codes];
            let mut count = kernel("regions.count.codes", &shaders::COUNT, &bindings);
            count.files.push(&shaders::REGIONS_OF_CODES);
            count.constants.extend([("CODE_WORDS", words.into()), ("ID_BITS", id_bits.into())]);
            count
        }
        RegionsOf::Items(section) => {
            let bindings = [order, ranks, section];
            let mut count = kernel("regions.count.items", &shaders::COUNT, &bindings);
            count.files.push(&shaders::REGIONS_OF_ITEMS);
            count
        }
    };
    let mut start = kernel("regions.start", &shaders::START, &[order]);
    start.constants.push(("TILE_M", tile_rows.into()));
    (start.grid, start.loop_iterations) = (Grid::One, 8);
    let mut scatter = kernel("regions.scatter", &shaders::SCATTER, &[order, ranks]);
    scatter.constants.push(("WORKGROUP", SORT_WORKGROUP.into()));
    [count, start, scatter]
}

/// The nearest `shortlist` of `regions` regions of each row, by their scores.
pub(crate) fn shortlist(regions: u32, scores4: u32, shortlist: u32) -> Kernel {
    let bindings = [Section::Scores, Section::Candidates].map(Binding::Section);
    Kernel {
        name: "regions.shortlist".to_owned(),
        files: vec![&shaders::PARAMS, &shaders::SHORTLIST],
        constants: vec![
            ("REGIONS", regions.into()),
            ("SCORES4", scores4.into()),
            ("SHORTLIST", shortlist.into()),
            ("WORKGROUP", WORKGROUP.into()),
        ],
        bindings: [Binding::Params].into_iter().chain(bindings).collect(),
        grid: Grid::of_rows(WORKGROUP, 1),
        loop_iterations: u64::from(shortlist) * (6 * u64::from(scores4) + 2),
        workgroup_bytes: 0,
    }
}

/// What a row's region is chosen by.
pub(crate) struct Choice {
    pub(crate) rows: Section,
    pub(crate) f16_rows: bool,
    pub(crate) inputs4: u32,
    pub(crate) leading4: u32,
    pub(crate) shortlist: u32,
    pub(crate) scale: f32,
    /// Whether threads share a row.
    pub(crate) shared: bool,
}

/// The region of each row among its candidates.
pub(crate) fn choose(choice: &Choice) -> Kernel {
    let &Choice { rows, f16_rows, inputs4, leading4, shortlist, scale, shared } = choice;
    let (workgroup_size, lanes) = row_lanes(shared);
    let (name, file) = match f16_rows {
        false => ("regions.choose", &shaders::ROWS_F32),
        true => ("regions.choose_f16_rows", &shaders::ROWS_F16),
    };
    let per_candidate = inputs4.div_ceil(lanes) + leading4.div_ceil(lanes) + lanes + 4;
    Kernel {
        name: name.to_owned(),
        files: vec![&shaders::PARAMS, file, &shaders::CHOOSE],
        constants: vec![
            ("INPUTS4", inputs4.into()),
            ("LEADING4", leading4.into()),
            ("SHORTLIST", shortlist.into()),
            ("WORKGROUP", workgroup_size.into()),
            ("LANES", lanes.into()),
            ("SCALE", scale.into()),
        ],
        bindings: vec![
            Binding::Params,
            Binding::Section(Section::LeadingLatents),
            Binding::Section(Section::Candidates),
            Binding::Section(rows),
            Binding::Resident(Resident::Centroid),
            Binding::Resident(Resident::LeadingCosts),
            Binding::Section(Section::Regions),
        ],
        grid: Grid::of_rows(workgroup_size, lanes),
        loop_iterations: u64::from(shortlist) * u64::from(per_candidate),
        workgroup_bytes: 16 * u64::from(workgroup_size),
    }
}
