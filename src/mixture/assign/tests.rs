use super::*;
use crate::bit_codes::{BitPlan, Layout, Rate, Tables, Window};

const DIM: usize = 11;
const LATENTS: usize = 5;
const REGIONS: usize = 6;

/// Numbers around zero that repeat no pattern.
fn values(len: usize, seed: usize, size: f32) -> impl Iterator<Item = f32> {
    (0..len).map(move |i| ((i * 7919 + seed) as f32 * 12.9898).sin() * size)
}

fn regions(basis_size: f32, centroid_size: f32, step: f32) -> Vec<Region> {
    let rates = [5, 4, 3, 2, 1].map(Rate::whole);
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in rates {
        tables[rate.number()] = (0..1 << rate.bits()).map(|level| level as f32 - 0.5).collect();
    }
    let tables = Arc::new(Tables::new(Window::Own, &tables).unwrap());
    let plan = |region: usize| {
        let steps = (0..LATENTS).map(|i| step / (1 + i + region) as f32).collect();
        BitPlan::new(tables.clone(), Layout::Packed, &rates, steps, 3, None).unwrap()
    };
    let region = |region: usize| Region {
        centroid: values(DIM, region, centroid_size).collect(),
        basis: values(LATENTS * DIM, 31 * region, basis_size).collect(),
        plan: plan(region),
    };
    (0..REGIONS).map(region).collect()
}

/// Regions of rows, if the costs of all nearest regions are compared.
fn compared(assigner: &Assigner, regions: &[Region], rows: &[f32]) -> Vec<u8> {
    let (mut scratch, mut found) = (Scratch::default(), vec![0; rows.len() / DIM]);
    assigner.find_nearest(rows, regions.len(), None, &mut scratch);
    scratch.candidates = scratch.nearest.clone();
    scratch.compared =
        (0..scratch.candidates.len()).map(|i| (i / assigner.shortlist) as u32).collect();
    assigner.compare(regions, rows, &mut scratch, &mut found);
    found
}

/// Models and rows near the limits of `f32`, where costs are infinite or no numbers.
#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn estimates_change_no_region() {
    let sizes = [0.0, 1e-44, 1e-20, 1e-3, 0.5, 1e3, 1e9, 1e18, 1.5e19, 1e30, 3e38];
    let (shares, mixed) = ([0.3; REGIONS], [0.0, -0.5, 1e10, -1e38, 1e38, 1e-38]);
    for (case, basis_size) in [0.0, 1e-40, 0.4, 1e9, 1e35].into_iter().enumerate() {
        for (centroid_size, step) in
            [(0.5, 1.0), (1e30, 1.0), (3e38, 1e36), (2e38, 1e30), (1e-30, 1e-30), (1e19, 1e-3)]
        {
            let regions = regions(basis_size, centroid_size, step);
            let mut rows: Vec<f32> = regions.iter().flat_map(|r| r.centroid.clone()).collect();
            let near = rows.clone();
            for (seed, size) in sizes.into_iter().enumerate() {
                rows.extend(values(9 * DIM, seed, size));
                let noise = values(near.len(), seed, size);
                rows.extend(near.iter().zip(noise).map(|(c, n)| (c + n).clamp(f32::MIN, f32::MAX)));
            }
            for strange in [f32::NAN, f32::INFINITY] {
                rows.extend(values(DIM, case, 1.0).enumerate().map(|(i, v)| match i {
                    4 => strange,
                    _ => v,
                }));
            }
            for (rest_shares, distortion) in [
                (shares, 0.4),
                (mixed, 0.4),
                (mixed, 2.5e38),
                (shares, 2.5e38),
                ([0.0; REGIONS], 0.0),
            ] {
                for shortlist in [1, 2, REGIONS - 1] {
                    // Of both signs if they are large: sums depend on their order then.
                    let sign = |rate| if distortion > 1.0 && rate % 2 == 0 { -1.0 } else { 1.0 };
                    let distortions = std::array::from_fn(|rate| sign(rate) * distortion);
                    let assigner =
                        Assigner::new(DIM, &regions, &distortions, &rest_shares, shortlist);
                    let mut found = vec![1; rows.len() / DIM];
                    assigner.assign(&regions, &rows, &mut Scratch::default(), &mut found);
                    assert_eq!(found, compared(&assigner, &regions, &rows));
                }
            }
        }
    }
}
