//! The layers of a model as kernels multiply with them, and the data that they read.

use super::super::device::Caps;
use super::super::kernels::{
    ByRegion, GemmTiling, KernelOptions, Layer, Lhs, Precision, Resident, Span, bias, pack,
};
use crate::model::RegionLayers;
use crate::plan::count;

pub(super) const VALUE_BYTES: u64 = size_of::<f32>() as u64;

/// Rows without the centroids of their regions, as a left operand.
pub(super) fn centered(f16: bool) -> Lhs {
    Lhs::CenteredRows { f16, centroid: Resident::Centroid }
}

/// Layers of a model's regions in the making.
pub(super) struct Layers<'a> {
    caps: &'a Caps,
    options: KernelOptions,
    regions: &'a [RegionLayers<'a>],
    /// What the layers made so far read.
    pub(super) residents: Vec<(Resident, Vec<u8>)>,
}

/// The names of a layer's data: of the weights of a span, and of the bias.
type Names = (fn(u8) -> Resident, Resident);

impl<'a> Layers<'a> {
    pub(super) fn new(
        caps: &'a Caps,
        options: KernelOptions,
        regions: &'a [RegionLayers<'a>],
    ) -> Self {
        let mut layers = Self { caps, options, regions, residents: vec![] };
        if regions[0].centroid.is_some() {
            let centroids =
                layers.of_regions(|region| bias(region.centroid, region.decoder.outputs));
            layers.residents.push((Resident::Centroid, centroids));
        }
        layers
    }

    /// How rows come to the weights of their regions; none where there is one region.
    fn by_region(&self, items_per_row: u32) -> Option<ByRegion> {
        let regions = count(self.regions.len());
        (regions > 1).then_some(ByRegion { regions, items_per_row })
    }

    /// The encoders of all regions, `[dim, latents]`. Regions with fewer latents give zeros in the end.
    pub(super) fn encoder(&mut self, shape: [usize; 2]) -> Layer {
        let weights = self.encoder_weights(shape);
        let bias = self.of_regions(|region| bias(region.encoder.bias, shape[1]));
        let (names, by) =
            ((Resident::EncoderWeights as _, Resident::EncoderBias), self.by_region(1));
        self.layer(&weights, bias, shape, self.options, names, by)
    }

    /// The decoders of all regions, `[latents, dim]`. Those of bit codes hold the factor of each latent's
    /// table, so that the left operand of the GEMM is a table's value.
    pub(super) fn decoder(&mut self, shape @ [latents, dim]: [usize; 2]) -> Layer {
        let mut weights = vec![0.0; self.regions.len() * dim * latents];
        for (region, weights) in self.regions.iter().zip(weights.chunks_exact_mut(dim * latents)) {
            let step = |input| region.plan.map_or(1.0, |plan| plan.steps()[input]);
            for (output, row) in weights.chunks_exact_mut(latents).enumerate() {
                for (input, weight) in row.iter_mut().enumerate().take(region.decoder.inputs) {
                    *weight = region.decoder.weight(output, input) * step(input);
                }
            }
        }
        let bias = self.of_regions(|region| bias(region.decoder.bias, dim));
        let (names, by) =
            ((Resident::DecoderWeights as _, Resident::DecoderBias), self.by_region(1));
        self.layer(&weights, bias, shape, self.options, names, by)
    }

    /// The first `latents` latents of all regions, for each of `items_per_row` candidates of a row.
    pub(super) fn leading(
        &mut self,
        shape @ [_, latents]: [usize; 2],
        items_per_row: u32,
    ) -> Layer {
        let weights = self.encoder_weights(shape);
        let bias = self.of_regions(|_| bias(None, latents));
        let names: Names = (Resident::LeadingWeights as _, Resident::LeadingBias);
        self.layer(&weights, bias, shape, self.exact(), names, self.by_region(items_per_row))
    }

    /// The layer that gives the scores of regions, the same for all rows.
    pub(super) fn scores(&mut self, weights: &[f32], offsets: &[f32], dim: usize) -> Layer {
        let shape = [dim, offsets.len()];
        let names: Names = (|_| Resident::ScoreWeights, Resident::ScoreBias);
        let bias = bias(Some(offsets), offsets.len());
        self.layer(weights, bias, shape, self.exact(), names, None)
    }

    /// Adds one over the steps of all latents: zero for a step of zero, and where a region has no latent.
    pub(super) fn add_reciprocal_steps(&mut self, latents: usize) {
        let reciprocal = |step: &f32| if *step == 0.0 { 0.0 } else { step.recip() };
        let reciprocals = self.of_regions(|region| {
            let steps = region.plan.map_or(&[][..], |plan| plan.steps());
            bias(Some(&steps.iter().map(reciprocal).collect::<Vec<_>>()), latents)
        });
        self.residents.push((Resident::ReciprocalSteps, reciprocals));
    }

    /// Whether threads should share a row's work, which does not help a software adapter.
    pub(super) fn shares_rows(&self) -> bool {
        !self.caps.software
    }

    /// What chooses a region multiplies f32, whatever the precision of the results.
    fn exact(&self) -> KernelOptions {
        KernelOptions { precision: Precision::F32, ..self.options }
    }

    /// The first `latents` latents' weights `[regions, latents, dim]`.
    fn encoder_weights(&self, [dim, latents]: [usize; 2]) -> Vec<f32> {
        let mut weights = vec![0.0; self.regions.len() * dim * latents];
        for (region, weights) in self.regions.iter().zip(weights.chunks_exact_mut(dim * latents)) {
            let rows = weights.chunks_exact_mut(dim).enumerate().take(region.encoder.outputs);
            for (output, row) in rows {
                for (input, weight) in row.iter_mut().enumerate() {
                    *weight = region.encoder.weight(output, input);
                }
            }
        }
        weights
    }

    fn of_regions(&self, bytes: impl FnMut(&RegionLayers<'_>) -> Vec<u8>) -> Vec<u8> {
        self.regions.iter().flat_map(bytes).collect()
    }

    /// Packs weights `[regions, outputs, inputs]`, as many regions at a time as fit a binding.
    fn layer(
        &mut self,
        weights: &[f32],
        bias: Vec<u8>,
        shape @ [inputs, outputs]: [usize; 2],
        options: KernelOptions,
        (name, bias_name): Names,
        by_region: Option<ByRegion>,
    ) -> Layer {
        let tiling = GemmTiling::new(self.caps, options, shape);
        let region_bytes = pack(&weights[..inputs * outputs], shape, tiling).bytes.len();
        let regions = weights.len() / (inputs * outputs);
        let fitting = self.caps.limits.binding_bytes / region_bytes.max(1) as u64;
        let per_span = usize::try_from(fitting).unwrap_or(usize::MAX).clamp(1, regions);
        let mut spans = vec![];
        for (number, weights) in (0u8..).zip(weights.chunks(per_span * inputs * outputs)) {
            let packed = pack(weights, shape, tiling);
            let first = usize::from(number) * per_span;
            spans.push(Span {
                weights: name(number),
                descale: packed.descale,
                first_region: count(first),
                end_region: count(first + weights.len() / (inputs * outputs)),
            });
            self.residents.push((name(number), packed.bytes));
        }
        self.residents.push((bias_name, bias));
        Layer { inputs, outputs, relu: false, tiling, spans, bias: bias_name, by_region }
    }
}
