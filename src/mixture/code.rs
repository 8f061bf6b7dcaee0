//! Rows to codes and back, region by region.

use super::assign::{self, Assigner};
use super::group::Groups;
use super::region::{Region, center, region_of};
use crate::element::sealed::Sealed as _;

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

/// Encodes rows `[rows, dim]`. If latents leave the range of `f32`, it gives the first such row, and rows
/// of that row's region are not encoded.
pub(super) fn encode(
    regions: &[Region],
    assigner: &Assigner,
    rows: &[f32],
    scratch: &mut Scratch,
    packed: &mut [u8],
) -> Result<(), usize> {
    let (dim, row_bytes) = (regions[0].centroid.len(), regions[0].plan.code_bytes());
    let Scratch { assignment, regions: numbers, groups, rows: centered, latents, packed: codes } =
        scratch;
    numbers.resize(rows.len() / dim, 0);
    assigner.assign(regions, rows, assignment, numbers);
    groups.sort(numbers, regions.len());
    let mut bad_row: Option<u32> = None;
    for (number, group) in groups.iter() {
        let region = &regions[number];
        centered.resize(group.len() * dim, 0.0);
        for (row, out) in group.iter().zip(centered.chunks_exact_mut(dim)) {
            center(&rows[*row as usize * dim..][..dim], &region.centroid, out);
        }
        let count = region.plan.latents();
        latents.resize(group.len() * count, 0.0);
        region.project(centered, latents);
        if let Some(at) = latents.chunks_exact(count).position(|z| !f32::all_finite(z)) {
            bad_row = Some(bad_row.unwrap_or(u32::MAX).min(group[at]));
            continue;
        }
        codes.resize(group.len() * row_bytes, 0);
        region.plan.encode(latents, codes);
        for (row, codes) in group.iter().zip(codes.chunks_exact(row_bytes)) {
            let packed = &mut packed[*row as usize * row_bytes..][..row_bytes];
            packed.copy_from_slice(codes);
            // The region's number is the first bits of the row, which the codes leave zero.
            packed[0] |= number as u8;
        }
    }
    bad_row.map_or(Ok(()), |row| Err(row as usize))
}

/// Decodes rows, without their norms.
pub(super) fn decode(regions: &[Region], packed: &[u8], scratch: &mut Scratch, out: &mut [f32]) {
    let (dim, row_bytes) = (regions[0].centroid.len(), regions[0].plan.code_bytes());
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
    for (number, group) in groups.iter() {
        let region = &regions[number];
        let of_group = group.iter().map(|row| &packed[*row as usize * row_bytes..][..row_bytes]);
        set_latents(region, of_group, latents);
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
    codes: impl ExactSizeIterator<Item = &'a [u8]>,
    latents: &mut Vec<f32>,
) {
    let count = region.plan.latents();
    latents.resize(codes.len() * count, 0.0);
    pulp::Arch::new().dispatch(|| {
        for (packed, z) in codes.zip(latents.chunks_exact_mut(count)) {
            region.plan.decode(packed, z);
        }
    });
}
