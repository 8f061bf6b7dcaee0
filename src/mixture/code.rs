//! Rows to codes and back, region by region.

use super::assign::{self, Assigner};
use super::group::Groups;
use super::region::{Region, center_scaled, region_of};
use crate::bit_codes::PaddedRow;
use crate::element::sealed::Sealed as _;
use crate::simd::vectorized;

/// Memory of the work on a block of rows, used again for the next block.
#[derive(Default)]
pub(crate) struct Scratch {
    assignment: assign::Scratch,
    regions: Vec<u8>,
    groups: Groups,
    /// Rows, latents and codes of a region.
    rows: Vec<f32>,
    latents: Vec<f32>,
    packed: Vec<u8>,
}

/// The regions of a mixture, and what tells the region of a row.
#[derive(Clone, Copy)]
pub(super) struct Encoder<'a> {
    pub(super) regions: &'a [Region],
    pub(super) assigner: &'a Assigner,
}

impl Encoder<'_> {
    /// Encodes rows `[rows, dim]`, and gives the number of each clipped row to `clipped`. If latents leave
    /// the range of `f32`, it returns the first such row, and rows of that row's region are not encoded.
    pub(super) fn encode(
        self,
        rows: &[f32],
        scratch: &mut Scratch,
        packed: &mut [u8],
        mut clipped: impl FnMut(usize),
    ) -> Result<(), usize> {
        let row_bytes = self.regions[0].plan.code_bytes();
        let mut codes = std::mem::take(&mut scratch.packed);
        let result = self.project(rows, scratch, |number, group, latents| {
            codes.resize(group.len() * row_bytes, 0);
            let plan = &self.regions[number].plan;
            plan.encode(latents, &mut codes);
            plan.clipped_rows(latents).for_each(|at| clipped(group[at] as usize));
            for (row, codes) in group.iter().zip(codes.chunks_exact(row_bytes)) {
                let packed = &mut packed[*row as usize * row_bytes..][..row_bytes];
                packed.copy_from_slice(codes);
                // The region's number is the first bits of the row, which the codes leave zero.
                packed[0] |= number as u8;
            }
        });
        scratch.packed = codes;
        result
    }

    /// Writes the latents `[rows, latent_dim]` and the regions of rows `[rows, dim]`. Latents of regions
    /// with fewer end in zeros. Fails as `encode` does.
    pub(super) fn latents(
        self,
        rows: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
        regions: &mut [u8],
    ) -> Result<(), usize> {
        let latent_dim = out.len() / regions.len();
        out.fill(0.0);
        self.project(rows, scratch, |number, group, latents| {
            let count = self.regions[number].plan.latents();
            for (row, latents) in group.iter().zip(latents.chunks_exact(count)) {
                let row = *row as usize;
                regions[row] = number as u8;
                out[row * latent_dim..][..count].copy_from_slice(latents);
            }
        })
    }

    /// Gives the latents of each region's rows to `take`: the region's number, the numbers of the rows and
    /// their latents `[rows, latents]`. If latents leave the range of `f32`, it gives the first such
    /// row, and rows of that row's region are not taken.
    fn project(
        self,
        rows: &[f32],
        scratch: &mut Scratch,
        mut take: impl FnMut(usize, &[u32], &[f32]),
    ) -> Result<(), usize> {
        let dim = self.regions[0].centroid.len();
        let Scratch { assignment, regions: numbers, groups, rows: centered, latents, .. } = scratch;
        numbers.resize(rows.len() / dim, 0);
        self.assigner.assign(self.regions, rows, assignment, numbers);
        groups.sort(numbers, self.regions.len());
        let mut bad_row: Option<u32> = None;
        for (number, group) in groups.iter() {
            let region = &self.regions[number];
            centered.resize(group.len() * dim, 0.0);
            let of_group = group.iter().map(|row| &rows[*row as usize * dim..][..dim]);
            center_scaled(of_group, &region.centroid, 1.0, centered);
            let count = region.plan.latents();
            latents.resize(group.len() * count, 0.0);
            region.project(centered, latents);
            match latents.chunks_exact(count).position(|z| !f32::all_finite(z)) {
                Some(at) => bad_row = Some(bad_row.unwrap_or(u32::MAX).min(group[at])),
                None => take(number, group, latents),
            }
        }
        bad_row.map_or(Ok(()), |row| Err(row as usize))
    }
}

/// Decodes rows, without their norms.
pub(super) fn decode(regions: &[Region], packed: &[u8], scratch: &mut Scratch, out: &mut [f32]) {
    let row_bytes = regions[0].plan.code_bytes();
    let Scratch { regions: numbers, groups, rows, latents, .. } = scratch;
    if let [region] = regions {
        // The rows are one group, in order.
        set_latents(region, packed.chunks_exact(row_bytes), latents);
        return region.reconstruct(latents, out);
    }
    let numbered = packed.chunks_exact(row_bytes).map(|row| region_of(row, regions.len()) as u8);
    numbers.clear();
    numbers.extend(numbered);
    groups.sort(numbers, regions.len());
    reconstruct(regions, groups, latents, rows, out, |region, group, latents| {
        let of_group = group.iter().map(|row| &packed[*row as usize * row_bytes..][..row_bytes]);
        set_latents(region, of_group, latents);
    });
}

/// Decodes latents `[rows, latent_dim]` of regions `[rows]`.
pub(super) fn decode_latents<'a>(
    regions: &[Region],
    numbers: &[u8],
    latents_of: impl Fn(usize) -> &'a [f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let Scratch { groups, rows, latents, .. } = scratch;
    groups.sort(numbers, regions.len());
    reconstruct(regions, groups, latents, rows, out, |region, group, latents| {
        let count = region.plan.latents();
        latents.clear();
        group.iter().for_each(|row| latents.extend(&latents_of(*row as usize)[..count]));
    });
}

/// Writes the rows of all groups. `set` sets the latents of a region's rows, given by their numbers.
fn reconstruct(
    regions: &[Region],
    groups: &Groups,
    latents: &mut Vec<f32>,
    rows: &mut Vec<f32>,
    out: &mut [f32],
    set: impl Fn(&Region, &[u32], &mut Vec<f32>),
) {
    let dim = regions[0].centroid.len();
    for (number, group) in groups.iter() {
        let region = &regions[number];
        set(region, group, latents);
        rows.resize(group.len() * dim, 0.0);
        region.reconstruct(latents, rows);
        for (row, decoded) in group.iter().zip(rows.chunks_exact(dim)) {
            out[*row as usize * dim..][..dim].copy_from_slice(decoded);
        }
    }
}

/// Writes the latents of rows of a region, given by their codes.
fn set_latents<'a>(
    region: &Region,
    mut codes: impl ExactSizeIterator<Item = &'a [u8]>,
    latents: &mut Vec<f32>,
) {
    let count = region.plan.latents();
    latents.resize(codes.len() * count, 0.0);
    let mut padded = PaddedRow::default();
    vectorized(
        #[inline(always)]
        || {
            for (packed, z) in codes.by_ref().zip(latents.chunks_exact_mut(count)) {
                region.plan.decode(packed, &mut padded, z);
            }
        },
    );
}
