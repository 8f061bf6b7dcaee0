use super::super::region::center_scaled;
use super::*;
use crate::linear::linear;

/// Numbers around zero that repeat no pattern.
fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed) as f32 * 12.9898).sin()).collect()
}

/// Regions whose bases are not quite orthonormal, and rows near, far, and in a centroid.
#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn bounds_of_costs_hold() {
    const REGIONS: usize = 5;
    let Some(vectors) = Avx512::find() else { return };
    for (dim, latents) in [(1, 1), (7, 3), (64, 20), (101, 64)] {
        let near_axis = |index: usize, value: f32| {
            let (row, column) = (index / dim, index % dim);
            value * 0.05 + f32::from(u8::from(row % dim == column))
        };
        let bases: Vec<Vec<f32>> = (0..REGIONS)
            .map(|r| values(latents * dim, r).into_iter().enumerate())
            .map(|values| values.map(|(index, value)| near_axis(index, value)).collect())
            .collect();
        let centroids = values(REGIONS * dim, 9);
        let leading = [0.01, 0.02, 0.04, 0.05, 0.3].map(|variance| {
            let costs = (0..latents).map(|l| [variance / (1 + l) as f32, 0.01 + 0.002 * l as f32]);
            Leading { latents, costs: costs.collect(), rest_share: 0.2 }
        });
        let mut rows = centroids.clone();
        for size in [0.0, 1e-30, 1e-4, 0.3, 1.0, 100.0, 1e18, 1e30] {
            rows.extend(values(9 * dim, 77).iter().map(|v| v * size));
        }
        let (count, mut scratch) = (rows.len() / dim, Scratch::default());
        let slices = bases.iter().map(Vec::as_slice);
        let estimator = Estimator::new(vectors, slices, &centroids, &leading, REGIONS);
        estimator.add_rows(&rows, &mut scratch);
        let square = |c: &[f32]| -0.5 * c.iter().map(|c| c * c).sum::<f32>();
        let offsets: Vec<f32> = centroids.chunks_exact(dim).map(square).collect();
        let mut scores = vec![0.0; count * REGIONS];
        linear(&mut scores, &rows, &centroids, Some(&offsets), dim);
        let nearest: Vec<u8> = (0..count).flat_map(|_| 0..REGIONS as u8).collect();
        let (mut found, mut compared) = (vec![0; count], vec![vec![]; count]);
        estimator.decide(&nearest, &scores, &mut scratch, &mut found, |row, region| {
            compared[row].push(region);
        });
        let mut decided = 0;
        for row in 0..count {
            let costs: [f32; REGIONS] = std::array::from_fn(|region| {
                let (mut y, mut z) = (vec![0.0; dim], vec![0.0; latents]);
                let centroid = &centroids[region * dim..][..dim];
                let x = &rows[row * dim..][..dim];
                center_scaled(std::iter::once(x), centroid, 1.0, &mut y);
                linear(&mut z, &y, &bases[region], None, dim);
                leading[region].cost(&y, &z)
            });
            for (cost, [least, largest]) in costs.iter().zip(&scratch.costs[row * REGIONS..]) {
                assert!(!(cost < least || cost > largest), "{cost} {least} {largest}");
            }
            let best = (0..REGIONS).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap() as u8;
            match compared[row].is_empty() {
                true => assert_eq!(found[row], best),
                false => assert!(compared[row].contains(&best)),
            }
            decided += usize::from(compared[row].is_empty());
        }
        assert!(decided > count / 4, "{decided} of {count} rows of {dim} values");
    }
}
