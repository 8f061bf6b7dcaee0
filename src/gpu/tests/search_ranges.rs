//! Every index that the kernels of a search form, compared with the length of what it indexes, as
//! `index_ranges` does for those of programs.

use wgpu::Buffer;

use super::super::device::Gpu;
use super::super::kernels::{
    AtOnce, Binding, Kernel, Resident, SearchBuffer, WeightPart, project_groups, select,
};
use super::super::search::{List, Round, SearchLayout};
use super::index_ranges::{contents, dispatched, pipeline, storage};
use super::models;
use crate::codes::Codes;
use crate::model::Model;
use crate::plan::count;
use crate::search::{Batch, Listing, Metric, Reach, Records};

const ROWS: usize = 4500;
const CAPACITY: u32 = 64;
const FOUND: u32 = 16;
const SELECT: &str = "scan.select";
const RANK: &str = "scan.rank";
const NEAR: &str = "scan.near";

/// A batch of rows of all regions, with any codes.
fn batch(model: &Model) -> Batch {
    let config = model.config();
    let regions = model.region_count();
    let size = config.packed_size();
    let mut packed = contents((ROWS * size) as u64);
    for (row, bytes) in packed.chunks_exact_mut(size).enumerate() {
        // The number of the region is in the first bits: see docs/format.md.
        let mask = regions.next_power_of_two() as u8 - 1;
        bytes[0] = bytes[0] & !mask | (row % regions) as u8;
    }
    let records = Records::Codes(Codes::from_parts(model, packed, 1.0).unwrap());
    let region_of = |row| records.region(model, row);
    Batch {
        listing: Listing::all(count(ROWS), regions, region_of),
        records,
        numbers: vec![0.5; ROWS],
        reaches: vec![Reach::default(); regions],
    }
}

/// Runs a kernel over a batch, with lists that overflow. `short` is a buffer that has half its bytes.
fn violations(
    gpu: &Gpu,
    model: &Model,
    layout: &SearchLayout,
    batch: &Batch,
    (kernel, at_once): (&Kernel, AtOnce),
    short: Option<SearchBuffer>,
) -> Vec<(u32, u32)> {
    let (groups, k) = (2, 5);
    let lists = groups * count(at_once.count());
    let (tiles, planes) = layout.tiles_and_planes(batch);
    // The last group has a query less where it has several.
    let (dim, queries) = (model.config().dim, lists - u32::from(lists > groups));
    let sizes = layout.query_bytes(queries as usize, groups as usize, at_once);
    let round = Round {
        workgroups: 2,
        k,
        capacity: CAPACITY,
        found_capacity: FOUND,
        is_filtered: 1,
        is_last: 1,
        breaks_ties: 1,
        query_count: queries,
        tile_rows: u32::MAX,
        ..Round::default()
    };
    let round = round.of_shard(0, count(tiles.len()), 1, None);
    let bytes_of = |buffer: SearchBuffer| match buffer {
        SearchBuffer::Round => bytemuck::bytes_of(&round).to_vec(),
        SearchBuffer::Tiles => bytemuck::cast_slice(&tiles).to_vec(),
        SearchBuffer::Planes => planes.clone(),
        SearchBuffer::Queries if at_once == AtOnce::Many => contents(sizes.packed),
        SearchBuffer::PackedQueries => contents(sizes.packed),
        SearchBuffer::Queries | SearchBuffer::Projected => contents(sizes.projected),
        SearchBuffer::Centers => contents(sizes.centers),
        SearchBuffer::Lists => {
            // Full for the kernels that read it.
            let is_read = [SELECT, RANK, NEAR].contains(&kernel.name.as_str());
            let count = if is_read { CAPACITY } else { 0 };
            let list = List { threshold: 0, count, slack: 0.1, last_row: 900, squared_norm: 1.0 };
            bytemuck::cast_slice(&vec![list; lists as usize]).to_vec()
        }
        SearchBuffer::Candidates if kernel.name == NEAR => {
            let position = |i: u32| [0, i.wrapping_mul(2_654_435_761) % round.positions];
            let all: Vec<[u32; 2]> = (0..lists * CAPACITY).map(position).collect();
            bytemuck::cast_slice(&all).to_vec()
        }
        SearchBuffer::Candidates => contents(8 * u64::from(lists * CAPACITY)),
        SearchBuffer::Found => vec![0; (4 * lists * FOUND) as usize],
        SearchBuffer::Allowed => vec![0xff; ROWS.div_ceil(64) * 8],
        SearchBuffer::BundleTables => contents(sizes.tables),
        SearchBuffer::QueryRows | SearchBuffer::ScaledRows => {
            contents(4 * u64::from(queries) * dim as u64)
        }
        SearchBuffer::Hits => vec![0; (8 * lists * k) as usize],
    };
    let mut residents = layout.residents();
    let part = all_weights(layout);
    residents.push((Resident::QueryWeights, layout.query_weights(model, &part)));
    let buffer = |binding: &Binding| -> Option<Buffer> {
        let bytes = match binding {
            Binding::Search(buffer) => {
                let mut bytes = bytes_of(*buffer);
                let half = (bytes.len() / 2).next_multiple_of(16);
                bytes.truncate(if short == Some(*buffer) { half } else { bytes.len() });
                bytes
            }
            Binding::Resident(wanted) => {
                residents.iter().find(|(resident, _)| resident == wanted).unwrap().1.clone()
            }
            _ => return None,
        };
        Some(storage(gpu, &bytes))
    };
    let buffers: Vec<Option<Buffer>> = kernel.bindings.iter().map(buffer).collect();
    let workgroups = match kernel.name.as_str() {
        SELECT | RANK | "scan.prepare" => [lists, 1, 1],
        NEAR => [2, queries, 1],
        "queries.matrices" | "queries.quads" => [lists, count(model.region_count()), 1],
        "queries.project" => {
            let [x, y] = project_groups(queries, &part);
            [x, y, 1]
        }
        "tables.bundles" => [layout.bundles.as_ref().unwrap().table_count(), groups, 1],
        _ => [round.workgroups, groups, 1],
    };
    dispatched(gpu, &pipeline(gpu, kernel, None), &buffers, workgroups)
}

fn all_weights(layout: &SearchLayout) -> WeightPart {
    WeightPart { regions: 0..layout.regions(), fours: 0..layout.shape.values4 + 1 }
}

/// The kernels, each with how many queries it answers together.
fn kernels(layout: &SearchLayout, dim: usize) -> Vec<(Kernel, AtOnce)> {
    let [project_one, project_four] = layout.projections(dim, &all_weights(layout));
    let matrices = layout.matrices().map(|kernel| (kernel, AtOnce::Many));
    let scans = layout.scans().into_iter().map(|(at_once, kernel)| (kernel, at_once));
    let tables = layout.bundle_tables().map(|kernel| (kernel, AtOnce::OneByBundles));
    let quads = layout.quad_queries().into_iter().map(|(at_once, kernel)| (kernel, at_once));
    let near = layout.near_scores().map(|kernel| (kernel, AtOnce::FourByQuads));
    let others = [
        (select(), AtOnce::Four),
        (project_one, AtOnce::One),
        (project_four, AtOnce::Four),
        (layout.prepare(dim), AtOnce::Four),
        (layout.rank(), AtOnce::Four),
    ];
    scans.chain(tables).chain(quads).chain(near).chain(matrices).chain(others).collect()
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn no_index_of_a_search_reaches_beyond_what_the_host_sizes() {
    let own = Gpu::new().unwrap();
    let gpus = [own.clone(), own.as_hardware()];
    let small = models().into_iter().filter(|model| model.config().latent_dim <= 130);
    for (gpu, (number, model)) in
        small.enumerate().flat_map(|m| gpus.clone().map(|g| (g, m.clone())))
    {
        let batch = batch(&model);
        let metric = Metric::ALL[number % Metric::ALL.len()];
        let layout = SearchLayout::new(&model, metric, gpu.caps());
        for (kernel, at_once) in kernels(&layout, model.config().dim) {
            let found = violations(&gpu, &model, &layout, &batch, (&kernel, at_once), None);
            let config = model.config();
            assert!(found.is_empty(), "{} of {config:?}, {metric}: {found:?}", kernel.name);
        }
    }
}

/// The test above can fail: with half the bytes of any buffer, a probe notes it.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn a_buffer_of_a_search_that_is_too_small_is_noticed() {
    let gpu = Gpu::new().unwrap().as_hardware();
    let models = models();
    // A trellis, and a scalar code that is scored by bundles of latents.
    for has_bundles in [false, true] {
        let layout = |model: &Model| SearchLayout::new(model, Metric::L2, gpu.caps());
        let suits = |model: &&Model| {
            model.region_count() >= 3 && layout(model).bundles.is_some() == has_bundles
        };
        let model = models.iter().find(suits).expect("there is a model of each kind");
        let (batch, layout) = (batch(model), layout(model));
        for (kernel, at_once) in kernels(&layout, model.config().dim) {
            for binding in &kernel.bindings {
                let Binding::Search(buffer) = binding else { continue };
                // How long these are says how many queries there are.
                let is_length = match kernel.name.as_str() {
                    "queries.project" => *buffer == SearchBuffer::ScaledRows,
                    "queries.matrices" | "queries.quads" => *buffer == SearchBuffer::Projected,
                    _ => false,
                };
                if *buffer != SearchBuffer::Round && !is_length {
                    let short = Some(*buffer);
                    let found = violations(&gpu, model, &layout, &batch, (&kernel, at_once), short);
                    assert!(!found.is_empty(), "{}: half of {buffer:?} is not missed", kernel.name);
                }
            }
        }
    }
}
