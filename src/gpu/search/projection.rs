//! How queries that lie on a device become values of latents there.

use super::super::device::Caps;
use super::super::kernels::{AtOnce, Kernel, Resident, project, rank};
use super::layout::SearchLayout;
use crate::error::{Error, OTHER_ADAPTER, Result};
use crate::model::Model;
use crate::plan::count;

impl SearchLayout {
    /// The kernels that project queries for one query at a time and for four.
    pub(crate) fn projections(&self, dim: usize) -> [Kernel; 2] {
        [AtOnce::One, AtOnce::Four].map(|at_once| project(&self.shape, count(dim), at_once))
    }

    /// The kernel that writes hits.
    pub(crate) fn rank(&self) -> Kernel {
        rank(&self.shape, self.metric.worst_score())
    }

    /// What queries are multiplied by: see `shaders/search/project.wgsl`.
    ///
    /// # Errors
    /// The adapter has no binding for so many bytes.
    pub(crate) fn query_weights(&self, model: &Model, caps: &Caps) -> Result<(Resident, Vec<u8>)> {
        let (dim, values) = (model.config().dim, 4 * self.shape.values4 as usize);
        let stride = values + 4;
        let required = 4 * (self.regions() * dim) as u64 * stride as u64;
        let available = caps.limits.whole_bytes();
        if required > available {
            let what = "bytes of one binding for what queries are multiplied by";
            return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
        }
        let mut weights = vec![0.0f32; self.regions() * dim * stride];
        for (number, weights) in weights.chunks_exact_mut(dim * stride).enumerate() {
            let region = model.region(number);
            let columns = region.decoder.by_input();
            let mut put = |value: usize, column: &[f32], step: f32| {
                for (row, weight) in weights.chunks_exact_mut(stride).zip(column) {
                    row[value] = weight * step;
                }
            };
            for value in 0..values {
                let Some(latent) = self.latent_of(number, value) else { continue };
                let step = region.plan.map_or(1.0, |plan| plan.steps()[latent]);
                put(value, &columns[latent * dim..][..dim], step);
            }
            if let Some(center) = region.decoder.bias {
                put(values, center, 1.0);
            }
        }
        Ok((Resident::QueryWeights, bytemuck::cast_slice(&weights).to_vec()))
    }

    /// The latent that a value of a query belongs to; none for padding.
    fn latent_of(&self, region: usize, value: usize) -> Option<usize> {
        match &self.pairs {
            Some(pairs) => pairs.latents[region].get(value).copied().flatten(),
            None => Some(value).filter(|latent| *latent < self.latent_dim),
        }
    }
}
