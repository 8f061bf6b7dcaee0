//! Tiles: some rows of a region, scored with all queries.

use std::borrow::Cow;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::integers::{self, Integers};
use super::terms::RowTerms;
use crate::bit_codes::{BitPlan, PaddedRow};
use crate::linear::linear;
use crate::model::Model;
use crate::search::{Metric, Projection, View};
use crate::simd::vectorized;

/// From so many queries on, a GEMM is faster than dot products: it packs rows first. With fewer queries a
/// row is used up while it is in the first cache.
const FEW_QUERIES: usize = 6;

/// Some rows of one region of a view.
#[derive(Debug)]
pub(super) struct Tile {
    pub(super) view: usize,
    pub(super) region: usize,
    /// Positions in the view's listing.
    pub(super) rows: Range<usize>,
}

/// Queries that rows of one region are scored with.
pub(super) struct Asked<'a> {
    pub(super) metric: Metric,
    pub(super) queries: Cow<'a, Projection>,
    /// Where products are of integers.
    pub(super) integers: Option<Integers>,
}

impl Asked<'_> {
    /// Whether tables are made for each tile.
    pub(super) fn has_tables(&self) -> bool {
        self.integers.as_ref().is_some_and(Integers::has_tables)
    }
}

/// A thread's memory, used again for each of its tiles.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[queries]`: smaller keys are not wanted.
    thresholds: Vec<f32>,
    /// The codes of all rows, one after the other. Rows of a region lie apart from each other: copies of many
    /// wait for memory together, and later steps wait no more.
    codes: Vec<u8>,
    padded: PaddedRow,
    /// `[rows, stride]`: latents without their steps, and zeros.
    values: Vec<f32>,
    integers: integers::Scratch,
    terms: RowTerms,
    /// `[queries, rows]`: products of latents, then keys.
    keys: Vec<f32>,
}

impl Scratch {
    /// The thresholds of so many queries, to be set.
    pub(super) fn start(&mut self, queries: usize) -> &mut [f32] {
        self.thresholds.resize(queries, f32::NEG_INFINITY);
        &mut self.thresholds
    }
}

impl Tile {
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Scores all rows with all queries. Gives each key that reaches the
    /// query's threshold to `take`, which returns the query's threshold from then on.
    pub(super) fn score(
        &self,
        model: &Model,
        view: &View<'_>,
        asked: &Asked<'_>,
        scratch: &mut Scratch,
        mut take: impl FnMut(usize, u32, f32) -> f32,
    ) {
        self.set_products(model, view, asked, scratch);
        let Scratch { thresholds, terms, keys, .. } = scratch;
        let rows = view.listing().rows(self.rows.clone());
        terms.set(view.batch, asked.metric, &rows);
        let centers = &asked.queries.centers;
        let all = keys.chunks_exact_mut(self.rows.len()).zip(thresholds).zip(centers);
        for (query, ((keys, threshold), center)) in all.enumerate() {
            if !terms.reach(keys, *center, *threshold) {
                continue;
            }
            for (at, key) in keys.iter().enumerate() {
                if *key >= *threshold {
                    *threshold = threshold.max(take(query, rows.at(at), *key));
                }
            }
        }
    }

    /// Writes the products of all rows with all queries.
    fn set_products(
        &self,
        model: &Model,
        view: &View<'_>,
        asked: &Asked<'_>,
        scratch: &mut Scratch,
    ) {
        let layers = model.region(self.region);
        let Asked { queries: projection, integers, .. } = asked;
        let (latents, count, stride) =
            (layers.decoder.inputs, projection.count(), projection.stride);
        let Scratch { codes, padded, values, integers: memory, keys: products, .. } = scratch;
        products.resize(self.rows.len() * count, 0.0);
        let rows = view.listing().rows(self.rows.clone());
        let resident = view.batch.records.packed_rows();
        if let Some(integers) = integers {
            return integers.products(resident, &rows, memory, products);
        }
        codes.clear();
        rows.each(|row| codes.extend_from_slice(resident.row(row)));
        let packed = codes.chunks_exact(codes.len() / self.rows.len());
        let (plan, queries) = (layers.plan, projection.values.as_slice());
        if count < FEW_QUERIES {
            values.resize(stride, 0.0);
            values[latents..].fill(0.0);
            Arch::new().dispatch(Few { plan, packed, queries, padded, values, latents, products });
            return;
        }
        values.resize(self.rows.len() * stride, 0.0);
        vectorized(
            #[inline(always)]
            || {
                for (packed, values) in packed.clone().zip(values.chunks_exact_mut(stride)) {
                    let (values, zeros) = values.split_at_mut(latents);
                    unpack(plan, packed, padded, values);
                    zeros.fill(0.0);
                }
            },
        );
        linear(products, queries, values, None, stride);
    }
}

/// The products of rows with a few queries. A row is used up while its values are in the first cache.
struct Few<'a, I> {
    plan: Option<&'a BitPlan>,
    /// The codes of each row.
    packed: I,
    /// `[queries, stride]`
    queries: &'a [f32],
    padded: &'a mut PaddedRow,
    /// `[stride]`: a row, and zeros from the number of latents on.
    values: &'a mut [f32],
    latents: usize,
    /// `[queries, rows]`
    products: &'a mut [f32],
}

impl<'a, I: Iterator<Item = &'a [u8]>> WithSimd for Few<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { plan, packed, queries, padded, values, latents, products } = self;
        let stride = values.len();
        let rows = products.len() * stride / queries.len();
        for (row, packed) in packed.enumerate() {
            unpack(plan, packed, padded, &mut values[..latents]);
            let products = products[row..].iter_mut().step_by(rows);
            let (row, _) = S::as_simd_f32s(values);
            for (query, product) in queries.chunks_exact(stride).zip(products) {
                let (query, _) = S::as_simd_f32s(query);
                let (row, query) = (row.as_chunks::<4>().0, query.as_chunks::<4>().0);
                let mut sums = [simd.splat_f32s(0.0); 4];
                for (a, b) in row.iter().zip(query) {
                    for i in 0..4 {
                        sums[i] = simd.mul_add_f32s(a[i], b[i], sums[i]);
                    }
                }
                let [a, b, c, d] = sums;
                let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
                *product = simd.reduce_sum_f32s(sum);
            }
        }
    }
}

/// Writes the values of a row's latents without their steps: entries of tables, or 8-bit codes.
#[inline(always)]
pub(super) fn unpack(
    plan: Option<&BitPlan>,
    packed: &[u8],
    padded: &mut PaddedRow,
    values: &mut [f32],
) {
    match plan {
        Some(plan) => plan.values(packed, padded, values),
        None => values.iter_mut().zip(packed).for_each(|(v, code)| *v = f32::from(*code as i8)),
    }
}
