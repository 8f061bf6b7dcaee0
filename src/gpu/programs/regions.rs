//! Rows by region: the kernels that choose the region of each row, as `src/mixture/assign.rs` has it,
//! and that sort rows by their regions.
//!
//! ```text
//! scores     = (x - origin) W + bias                 a GEMM; the largest are the nearest centroids
//! candidates = the nearest regions of each row
//! order      = all candidates of all rows by region
//! leading    = (x - c_r) D_r[..64]                   a grouped GEMM over that order
//! regions    = the candidate of the least cost
//! order      = rows by region
//! ```

use super::super::kernels::{
    ByRegion, Choice, Epilogue, GemmTiling, Kernel, Layer, Lhs, ORDER_BYTES, RANK_BYTES, RegionsOf,
    Resident, bias, choose, gemm, order_head_bytes, region_order, shortlist,
};
use super::layers::{Layers, VALUE_BYTES, centered};
use crate::mixture::{Mixture, id_bits};
use crate::plan::{RowBytes, Section, count, padded};

/// How the regions of rows are found.
pub(super) struct Regions {
    regions: u32,
    id_bits: u32,
    dim: usize,
    shortlist: u32,
    scale: f32,
    shared: bool,
    scores: Layer,
    leading: Layer,
}

/// Where the region of a row is found.
#[derive(Clone, Copy)]
pub(super) enum RegionSource {
    /// In its code of so many bytes.
    Codes(u64),
    /// In `Section::Regions`.
    Numbers,
}

impl Regions {
    pub(super) fn new(mixture: &Mixture, dim: usize, layers: &mut Layers<'_>) -> Self {
        let assigner = mixture.assigner();
        let shortlist = count(mixture.shortlist());
        // The score of a row is a product of scaled values: the weights take both scales.
        let weights: Vec<f32> = assigner.centroids().iter().map(|c| c * assigner.scale()).collect();
        let scores = layers.scores(&weights, assigner.offsets(), dim);
        let leading_latents = padded(assigner.most_leading_latents());
        let leading = layers.leading([dim, leading_latents], shortlist);
        let mut costs: Vec<[f32; 4]> = vec![];
        for leading in assigner.leading() {
            let mut of_latents = leading.costs().to_vec();
            of_latents.resize(leading_latents, [0.0; 2]);
            for four in of_latents.as_chunks::<4>().0 {
                costs.extend([four.map(|[variance, _]| variance), four.map(|[_, share]| share)]);
            }
            costs.push([leading.rest_share(), 0.0, 0.0, 0.0]);
        }
        let origin = bias(Some(assigner.origin()), dim);
        layers.residents.push((Resident::Origin, origin));
        layers.residents.push((Resident::LeadingCosts, bytemuck::cast_slice(&costs).to_vec()));
        Self {
            regions: count(mixture.regions().len()),
            id_bits: id_bits(mixture.regions().len()),
            dim,
            shortlist,
            scale: assigner.scale(),
            shared: layers.shares_rows(),
            scores,
            leading,
        }
    }

    /// The kernels that write `Section::Regions` for rows in `from`.
    pub(super) fn choice(&self, from: Section, f16_rows: bool) -> Vec<Kernel> {
        let from_origin = Lhs::CenteredRows { f16: f16_rows, centroid: Resident::Origin };
        let store = Epilogue::StorePadded;
        let mut kernels: Vec<Kernel> =
            gemm(from_origin, &self.scores, store, from, Section::Scores).collect();
        let scores4 = count(padded(self.scores.outputs) / 4);
        kernels.push(shortlist(self.regions, scores4, self.shortlist));
        let pairs = ByRegion { regions: self.regions, items_per_row: self.shortlist };
        let of_pairs = RegionsOf::Items(Section::Candidates);
        kernels.extend(region_order(pairs, of_pairs, self.leading.tiling.tile_rows()));
        let to = Section::LeadingLatents;
        kernels.extend(gemm(centered(f16_rows), &self.leading, store, from, to));
        kernels.push(choose(&Choice {
            rows: from,
            f16_rows,
            inputs4: count(padded(self.dim) / 4),
            leading4: count(self.leading.outputs / 4),
            shortlist: self.shortlist,
            scale: self.scale,
            shared: self.shared,
        }));
        kernels
    }

    /// The kernels that sort rows by their regions, for a GEMM.
    pub(super) fn sort(&self, source: RegionSource, tiling: GemmTiling) -> [Kernel; 3] {
        let of = match source {
            RegionSource::Codes(bytes) => {
                RegionsOf::Codes { words: (bytes / 4) as u32, id_bits: self.id_bits }
            }
            RegionSource::Numbers => RegionsOf::Items(Section::Regions),
        };
        let rows = ByRegion { regions: self.regions, items_per_row: 1 };
        region_order(rows, of, tiling.tile_rows())
    }

    /// What the choice works on, and sorting after it.
    pub(super) fn choice_scratch(&self) -> Vec<RowBytes> {
        let shortlist = u64::from(self.shortlist);
        vec![
            (Section::Scores, padded(self.scores.outputs) as u64 * VALUE_BYTES),
            (Section::Candidates, shortlist * VALUE_BYTES),
            (Section::LeadingLatents, shortlist * self.leading.outputs as u64 * VALUE_BYTES),
            (Section::Ranks, shortlist * RANK_BYTES),
            (Section::Order, shortlist * ORDER_BYTES),
        ]
    }

    /// What sorting works on.
    pub(super) fn sort_scratch(&self) -> Vec<RowBytes> {
        vec![(Section::Ranks, RANK_BYTES), (Section::Order, ORDER_BYTES)]
    }

    /// Bytes in front of the rows of those sections.
    pub(super) fn heads(&self) -> Vec<RowBytes> {
        vec![(Section::Order, order_head_bytes(self.regions))]
    }
}
