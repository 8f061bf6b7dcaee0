//! The leading latents of a region, which tell what coding a row there would cost.

use crate::bit_codes::BitPlan;

/// The most latents that are projected to choose a region.
pub(super) const LEADING: usize = 64;

/// The leading latents of a region.
#[derive(Clone, Debug)]
pub(crate) struct Leading {
    pub(super) latents: usize,
    /// Variance, in scaled units, and half of the share that coding leaves.
    pub(super) costs: Vec<[f32; 2]>,
    pub(super) rest_share: f32,
}

#[cfg(feature = "gpu")]
impl Leading {
    /// The variance of each leading latent, and half of the share that coding leaves.
    pub(crate) fn costs(&self) -> &[[f32; 2]] {
        &self.costs
    }

    pub(crate) fn rest_share(&self) -> f32 {
        self.rest_share
    }
}

impl Leading {
    /// The expected error of a row `y` from the centroid, whose leading latents are `z`.
    #[inline(always)]
    pub(super) fn cost(&self, y: &[f32], z: &[f32]) -> f32 {
        let of_latent = |z: f32, [variance, half_share]: [f32; 2]| {
            half_share * (variance + variance.max(z * z))
        };
        let (blocks, rest) = z.as_chunks::<16>();
        let (block_costs, rest_costs) = self.costs.as_chunks::<16>();
        let mut sums = [0.0; 16];
        for (block, costs) in blocks.iter().zip(block_costs) {
            for (sum, (z, costs)) in sums.iter_mut().zip(block.iter().zip(costs)) {
                *sum += of_latent(*z, *costs);
            }
        }
        let others: f32 = rest.iter().zip(rest_costs).map(|(z, costs)| of_latent(*z, *costs)).sum();
        let uncoded = sum_of_squares(y) - sum_of_squares(z);
        sums.iter().sum::<f32>() + others + self.rest_share * uncoded.max(0.0)
    }
}

/// Several sums side by side, which a compiler may compute by vectors.
#[inline(always)]
pub(super) fn sum_of_squares(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += v * v);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|v| v * v).sum::<f32>()
}

/// Latents that are projected to choose a region.
pub(super) fn leading_latents(plan: &BitPlan) -> usize {
    plan.latents().min(LEADING)
}
