//! How queries become what rows are multiplied by, on the device.
//!
//! ```text
//! project:    scaled rows -> values of latents in each region            f32
//! matrices:   values -> matrices                                         f16, for many queries
//! ```

use wgpu::{BindingResource, Buffer, ComputePass};

use super::super::device::{Caps, Gpu};
use super::super::kernels::{
    AtOnce, Kernel, Resident, SearchBuffer, WeightPart, matrices, project, project_groups,
    projection_roundings,
};
use super::layout::SearchLayout;
use super::program::SearchProgram;
use crate::error::{Error, OTHER_ADAPTER, Result};
use crate::model::Model;
use crate::plan::count;
use crate::search::{DeviceProducts, RegionNorms};

/// The programs that project queries.
pub(super) struct Projection {
    /// Of each part of the weights, for queries apart and for four side by side.
    parts: Vec<(WeightPart, [SearchProgram; 2])>,
    /// For many queries.
    matrices: Option<SearchProgram>,
    pub(super) norms: Vec<RegionNorms>,
}

impl Projection {
    /// # Errors
    /// The adapter has no binding for four columns of weights; the device's memory is full, or the device is lost.
    pub(super) fn new(gpu: &Gpu, layout: &SearchLayout, model: &Model) -> Result<Self> {
        let dim = model.config().dim;
        let mut parts = Vec::new();
        for part in layout.weight_parts(dim, gpu.caps())? {
            let weights =
                gpu.resident(Resident::QueryWeights.label(), &layout.query_weights(model, &part))?;
            let residents: [(Resident, Buffer); 1] = [(Resident::QueryWeights, weights)];
            let [one, four] = layout.projections(dim, &part);
            let program = |kernel| SearchProgram::new(gpu, kernel, &residents);
            parts.push((part, [program(one)?, program(four)?]));
        }
        let matrices = layout.matrices().map(|kernel| SearchProgram::new(gpu, kernel, &[]));
        let norm = |region| RegionNorms::new(&model.region(region), dim);
        let norms = (0..model.region_count()).map(norm).collect();
        Ok(Self { parts, matrices: matrices.transpose()?, norms })
    }

    /// Records all that comes before the first round.
    pub(super) fn record<'a>(
        &'a self,
        gpu: &Gpu,
        layout: &SearchLayout,
        pass: &mut ComputePass<'_>,
        (queries, groups, at_once): (usize, usize, AtOnce),
        buffer: impl Fn(SearchBuffer) -> BindingResource<'a>,
    ) {
        for (part, programs) in &self.parts {
            let program = &programs[usize::from(at_once == AtOnce::Four)];
            let groups = project_groups(count(queries), part);
            program.record(gpu, pass, groups, &buffer);
        }
        if let Some(program) = self.matrices.as_ref().filter(|_| at_once == AtOnce::Many) {
            let groups = [count(groups * at_once.count()), count(layout.regions())];
            program.record(gpu, pass, groups, &buffer);
        }
    }
}

impl SearchLayout {
    /// The kernels that project queries with a part of the weights: apart, and four side by side.
    pub(crate) fn projections(&self, dim: usize, part: &WeightPart) -> [Kernel; 2] {
        let kernel = |at_once| project(&self.shape, count(dim), at_once, part);
        [AtOnce::One, AtOnce::Four].map(kernel)
    }

    /// The kernel that rounds many queries to matrices.
    pub(crate) fn matrices(&self) -> Option<Kernel> {
        self.has_coop.then(|| matrices(&self.shape))
    }

    /// How products of so many queries with rows are computed.
    pub(super) fn products(&self, model: &Model, queries: usize) -> DeviceProducts {
        DeviceProducts {
            in_f16: self.groups(queries).1 == AtOnce::Many,
            projection_roundings: projection_roundings(model.config().dim),
            largest_entry: model.plan(0).map(|plan| plan.tables().largest()),
        }
    }

    /// The parts of the weights that bindings have room for: of whole regions, or of some values of one region.
    ///
    /// # Errors
    /// No binding has room for four values.
    pub(crate) fn weight_parts(&self, dim: usize, caps: &Caps) -> Result<Vec<WeightPart>> {
        let (regions, fours) = (self.regions(), self.shape.values4 + 1);
        let (required, available) = (16 * dim as u64, caps.limits.whole_bytes());
        let room = available / required;
        if room == 0 {
            let what = "bytes of one binding for what queries are multiplied by";
            return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
        }
        let part_fours = room.min(fours.into()) as u32;
        let part_regions = (room / u64::from(fours)).max(1) as usize;
        let of_regions = |region: usize| {
            let regions = region..(region + part_regions).min(regions);
            (0..fours).step_by(part_fours as usize).map(move |four| WeightPart {
                regions: regions.clone(),
                fours: four..(four + part_fours).min(fours),
            })
        };
        Ok((0..regions).step_by(part_regions).flat_map(of_regions).collect())
    }

    /// A part of what queries are multiplied by: see `shaders/search/project.wgsl`.
    pub(crate) fn query_weights(&self, model: &Model, part: &WeightPart) -> Vec<u8> {
        let (dim, values) = (model.config().dim, 4 * self.shape.values4 as usize);
        let first = 4 * part.fours.start as usize;
        let stride = 4 * part.fours.len();
        let mut weights = vec![0.0f32; part.regions.len() * dim * stride];
        let of_regions = part.regions.clone().zip(weights.chunks_exact_mut(dim * stride));
        for (number, weights) in of_regions {
            let region = model.region(number);
            let columns = region.decoder.by_input();
            let mut put = |value: usize, column: &[f32], step: f32| {
                for (row, weight) in weights.chunks_exact_mut(stride).zip(column) {
                    row[value - first] = weight * step;
                }
            };
            for value in first..(first + stride).min(values) {
                let Some(latent) = self.latent_of(number, value) else { continue };
                let step = region.plan.map_or(1.0, |plan| plan.steps()[latent]);
                put(value, &columns[latent * dim..][..dim], step);
            }
            if let Some(center) = region.decoder.bias.filter(|_| values < first + stride) {
                put(values, center, 1.0);
            }
        }
        bytemuck::cast_slice(&weights).to_vec()
    }

    /// The latent that a value of a query belongs to; none for padding.
    fn latent_of(&self, region: usize, value: usize) -> Option<usize> {
        match &self.pairs {
            Some(pairs) => pairs.latents[region].get(value).copied().flatten(),
            None => Some(value).filter(|latent| *latent < self.latent_dim),
        }
    }
}
