//! Queries in the latent space of each region.

use std::ops::Range;

use rayon::prelude::*;

use super::batch::Reach;
use super::metric::Metric;
use crate::error::{Error, IndexError};
use crate::linear::{wide_dot, wide_products};
use crate::model::{Model, RegionLayers};
use crate::rows::Rows;
use crate::simd::vectorized;

/// Latents that are multiplied at a time: four vectors of eight.
const LANES: usize = 32;

/// Queries that are answered together, each multiplied by what its metric says.
#[derive(Debug)]
pub(crate) struct ScaledQueries {
    pub(crate) metric: Metric,
    /// The number of the first of them in the call.
    first: usize,
    /// The squared norm of each query, before it was multiplied.
    squared_norms: Vec<f64>,
    /// `[queries, dim]`
    values: Vec<f64>,
}

/// Queries in the latent space of each region.
#[derive(Debug)]
pub(crate) struct Queries {
    pub(crate) metric: Metric,
    /// The number of the first of them in the call.
    first: usize,
    /// By region.
    projections: Vec<Projection>,
}

/// Queries in the latent space of a region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection {
    /// Values per query: latents, and zeros up to a multiple of [`LANES`].
    pub(crate) stride: usize,
    /// `[queries, stride]`: `q D`, each latent times its step. What is left of a latent is the entry of a
    /// table, or an 8-bit code.
    pub(crate) values: Vec<f32>,
    /// `[queries]`: `q . c`.
    pub(crate) centers: Vec<f32>,
    /// `[queries]`: the norms of `q D`.
    norms: Vec<f32>,
}

impl ScaledQueries {
    /// Some of a call's queries.
    pub(crate) fn new(metric: Metric, rows: &Rows<'_>, range: Range<usize>) -> Self {
        let first = range.start;
        let mut values = Vec::new();
        let mut squared_norms = Vec::with_capacity(range.len());
        for row in range {
            let row = rows.row(row);
            let squared = row.iter().map(|v| f64::from(*v).powi(2)).sum();
            let scale = metric.query_scale(squared);
            values.extend(row.iter().map(|v| f64::from(*v) * scale));
            squared_norms.push(squared);
        }
        Self { metric, first, squared_norms, values }
    }

    pub(crate) fn count(&self) -> usize {
        self.squared_norms.len()
    }

    /// The squared norm of a query, before it was multiplied.
    pub(crate) fn squared_norm(&self, query: usize) -> f64 {
        self.squared_norms[query]
    }

    /// The norm of a query as it is.
    #[cfg(feature = "gpu")]
    pub(crate) fn norm(&self, query: usize) -> f64 {
        let squared = self.squared_norms[query];
        squared.sqrt() * self.metric.query_scale(squared)
    }

    /// All values, one query after the other.
    #[cfg(feature = "gpu")]
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Queries {
    /// Projects queries, on all threads if that takes less time. Sums are in `f64`, and are rounded once.
    pub(crate) fn new(model: &Model, queries: &ScaledQueries) -> Self {
        let dim = model.config().dim;
        let ScaledQueries { metric, first, values, .. } = queries;
        let regions = 0..model.region_count();
        let products = regions.len() * model.config().latent_dim * values.len();
        let projections = if products <= FEW_PRODUCTS {
            let project = |number| Projection::of_few(&model.region(number), values, dim);
            regions.map(project).collect()
        } else {
            let project = |number| Projection::new(&model.region(number), values, dim);
            regions.into_par_iter().map(project).collect()
        };
        Self { metric: *metric, first: *first, projections }
    }

    pub(crate) fn count(&self) -> usize {
        self.projections[0].count()
    }

    /// Some of the queries, by their numbers.
    #[cfg(feature = "gpu")]
    pub(crate) fn select(&self, numbers: &[usize]) -> Self {
        Self {
            metric: self.metric,
            first: self.first,
            projections: self.projections.iter().map(|all| all.select(numbers)).collect(),
        }
    }

    pub(crate) fn region(&self, number: usize) -> &Projection {
        &self.projections[number]
    }

    /// The largest magnitude of the sum of a query's key, term by term, given the reach of each region.
    /// The rounding of a key in `f32` is a small multiple of it.
    pub(crate) fn magnitude(&self, query: usize, reaches: &[Reach]) -> f32 {
        let of_region = |(projection, reach): (&Projection, &Reach)| {
            projection.norms[query] * reach.latents
                + projection.centers[query].abs() * reach.center
                + reach.offset
        };
        let largest = self.projections.iter().zip(reaches).map(of_region);
        largest.fold(0.0, |a: f32, b| if a >= b { a } else { b })
    }

    /// The error of a query whose keys may leave the range of `f32`.
    pub(crate) fn too_large(&self, query: usize) -> Error {
        Error::Index(IndexError::LargeQuery { query: self.first + query })
    }
}

/// So many products take a thread about as long as it takes to wake others.
const FEW_PRODUCTS: usize = 1 << 20;
/// Of many queries, those that a thread projects at a time.
const BLOCK_QUERIES: usize = 64;
/// So many queries are worth it to convert a decoder to `f64` first.
const MANY_QUERIES: usize = 64;

impl Projection {
    pub(crate) fn count(&self) -> usize {
        self.centers.len()
    }

    /// Some of the queries, by their numbers.
    pub(crate) fn select(&self, numbers: &[usize]) -> Self {
        let row = |number: &usize| self.query(*number);
        Self {
            stride: self.stride,
            values: numbers.iter().flat_map(row).copied().collect(),
            centers: numbers.iter().map(|number| self.centers[*number]).collect(),
            norms: numbers.iter().map(|number| self.norms[*number]).collect(),
        }
    }

    /// The values of a query, and zeros.
    pub(crate) fn query(&self, number: usize) -> &[f32] {
        &self.values[number * self.stride..][..self.stride]
    }

    /// Projects queries `[queries, dim]`.
    fn new(region: &RegionLayers<'_>, queries: &[f64], dim: usize) -> Self {
        if queries.len() < MANY_QUERIES * dim {
            return Self::of_few(region, queries, dim);
        }
        let columns = region.decoder.by_input();
        let columns: Vec<f64> = columns.iter().map(|value| f64::from(*value)).collect();
        let blocks = queries.par_chunks(BLOCK_QUERIES * dim);
        let of_block = |queries| Self::of_many(region, &columns, queries, dim);
        let mut all = Self::empty(region);
        for block in blocks.map(of_block).collect::<Vec<_>>() {
            all.values.extend(block.values);
            all.centers.extend(block.centers);
            all.norms.extend(block.norms);
        }
        all
    }

    /// Projects some of many queries with the columns of the decoder, which are in `f64` for all of them.
    fn of_many(region: &RegionLayers<'_>, columns: &[f64], queries: &[f64], dim: usize) -> Self {
        let mut products = vec![0.0; queries.len() / dim * region.decoder.inputs];
        wide_products(&mut products, queries, columns, dim);
        let mut projection = Self::empty(region);
        let of_query = products.chunks_exact(region.decoder.inputs);
        for (query, products) in queries.chunks_exact(dim).zip(of_query) {
            projection.push(region, query, products);
        }
        projection
    }

    /// Projects a few queries, on the calling thread.
    fn of_few(region: &RegionLayers<'_>, queries: &[f64], dim: usize) -> Self {
        let columns = region.decoder.by_input();
        let mut projection = Self::empty(region);
        let mut products = vec![0.0; region.decoder.inputs];
        for query in queries.chunks_exact(dim) {
            vectorized(
                #[inline(always)]
                || {
                    for (product, column) in products.iter_mut().zip(columns.chunks_exact(dim)) {
                        *product = wide_dot(query, column);
                    }
                },
            );
            projection.push(region, query, &products);
        }
        projection
    }

    fn empty(region: &RegionLayers<'_>) -> Self {
        Self { stride: region.decoder.inputs.next_multiple_of(LANES), ..Self::default() }
    }

    /// Appends a query by its products with the columns of the decoder.
    fn push(&mut self, region: &RegionLayers<'_>, query: &[f64], products: &[f64]) {
        let end = self.values.len() + self.stride;
        let step = |latent: usize| region.plan.map_or(1.0, |plan| f64::from(plan.steps()[latent]));
        let values = products.iter().enumerate().map(|(at, value)| (value * step(at)) as f32);
        self.values.extend(values);
        self.values.resize(end, 0.0);
        let center = region.decoder.bias.map_or(0.0, |center| wide_dot(query, center));
        self.centers.push(center as f32);
        self.norms.push(products.iter().map(|value| value * value).sum::<f64>().sqrt() as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;

    /// Few queries are projected in another way than many. Both round the same sums to `f32`.
    #[test]
    #[cfg_attr(miri, ignore = "takes hours under Miri")]
    fn few_and_many_queries_are_projected_alike() {
        let (dim, count) = (40, 2 * BLOCK_QUERIES + 3);
        let model = Model::random(ModelConfig::int8(dim, 24), 5).unwrap();
        let value = |i: usize| ((i * 7919) as f64 * 0.618).sin();
        let queries: Vec<f64> = (0..count * dim).map(value).collect();
        let region = model.region(0);
        let many = Projection::new(&region, &queries, dim);
        let few = Projection::of_few(&region, &queries, dim);
        assert_eq!((many.count(), many.stride), (count, few.stride));
        let close = |a: &[f32], b: &[f32]| {
            assert_eq!(a.len(), b.len());
            let differ = a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 1e-6 * b.abs());
            assert_eq!(differ.count(), 0);
        };
        close(&many.values, &few.values);
        close(&many.centers, &few.centers);
        close(&many.norms, &few.norms);
        assert!(few.norms.iter().all(|norm| *norm > 0.0));
    }
}
