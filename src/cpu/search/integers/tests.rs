//! Products of integers beside those of `f64`.

mod tables;

use std::sync::Arc;

use super::blocks::{Block, LANES, Lanes, TableSize, Vectors};
use super::latents::{self, Latents};
use super::nibbles::Nibbles;
use super::{Integers, Kind, Scratch, padded};
use crate::bit_codes::{BitPlan, Layout, PaddedRow, RATE_COUNT, Rate, Tables, Window};
use crate::search::{PackedRows, Projection, Rows};

/// Rows that are no multiple of anything.
const ROWS: usize = 77;
const QUERIES: usize = 5;

/// Numbers between -1 and 1.
fn number(seed: u32) -> f32 {
    (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn plan(window: Window, layout: Layout, half_bits: &[(u8, usize)], first_bit: u32) -> BitPlan {
    let rate = |half_bits| match half_bits {
        1 => Rate::HALF,
        3 => Rate::ONE_AND_HALF,
        even => Rate::whole(even / 2),
    };
    let rates: Vec<Rate> =
        half_bits.iter().flat_map(|(bits, count)| vec![rate(*bits); *count]).collect();
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    for rate in &rates {
        // Not around zero, and of several sizes.
        let entries = rate.latents() as u32 * (1 << window.bits(*rate));
        let entry = |i: u32| 0.3 + number(i + 977 * rate.bits()) * (1.0 + rate.bits() as f32);
        tables[rate.number()] = (0..entries).map(entry).collect();
    }
    let tables = Arc::new(Tables::new(window, &tables).unwrap());
    let latents = rates.iter().map(|rate| rate.latents()).sum();
    BitPlan::new(tables, layout, &rates, vec![1.0; latents], first_bit, None).unwrap()
}

/// Bits per latent in halves, and how many symbols have them.
fn plans() -> Vec<BitPlan> {
    let (last_8, last_4, own) = (Window::Last(8), Window::Last(4), Window::Own);
    let usual = [(10, 1), (8, 7), (6, 62), (4, 78), (3, 27), (2, 44), (1, 12)];
    vec![
        plan(last_8, Layout::Packed, &usual, 0),
        plan(last_8, Layout::Packed, &usual, 5),
        plan(last_8, Layout::Packed, &[(16, 9), (14, 65), (12, 64), (2, 63)], 1),
        plan(last_4, Layout::Packed, &[(12, 3), (8, 20), (4, 100), (2, 200)], 3),
        // More bytes than a block reads.
        plan(last_8, Layout::Packed, &[(6, 150), (4, 300), (2, 100)], 4),
        plan(own, Layout::Packed, &[(16, 70), (10, 11), (6, 9), (2, 3)], 7),
        plan(own, Layout::Bytes, &[(16, 2), (12, 1), (4, 1), (10, 1), (6, 1), (8, 6), (4, 41)], 0),
        plan(own, Layout::Bytes, &[(6, 1), (6, 1), (4, 1), (2, 70)], 0),
        plan(own, Layout::Bytes, &[(2, 1)], 0),
    ]
}

fn queries(plan: &BitPlan) -> Projection {
    let mut all = Projection::default();
    all.stride = plan.latents().next_multiple_of(32);
    for (query, size) in [1.0, 1e-3, 1e20, 1e-30, 0.0].into_iter().enumerate() {
        let value = |i: u32| match i < plan.latents() as u32 {
            true => size * number(i + 31 * query as u32),
            false => 0.0,
        };
        all.values.extend((0..all.stride as u32).map(value));
    }
    all.centers = vec![0.0; QUERIES];
    all
}

fn packed<'a>(plan: &BitPlan, rows: &'a [u8]) -> PackedRows<'a> {
    PackedRows::new(rows, plan.code_bytes(), plan.code_bytes())
}

/// The codes of rows.
fn rows(plan: &BitPlan) -> Vec<u8> {
    let byte = |i: u32| (number(i) * 128.0) as i8 as u8;
    (0..(ROWS * plan.code_bytes()) as u32).map(byte).collect()
}

/// Checks products, each against its bound, which is small beside what products differ by.
fn check(plan: &BitPlan, queries: &Projection, products: &[f32], errors: &[f32], share: f64) {
    let rows = rows(plan);
    let (mut values, mut padded) = (vec![0.0; plan.latents()], PaddedRow::default());
    for (query, (products, error)) in products.chunks_exact(ROWS).zip(errors).enumerate() {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (row, product) in rows.chunks_exact(plan.code_bytes()).zip(products) {
            plan.values(row, &mut padded, &mut values);
            let terms = queries.query(query).iter().zip(&values);
            let exact: f64 = terms.map(|(q, v)| f64::from(*q) * f64::from(*v)).sum();
            let off = (f64::from(*product) - exact).abs();
            assert!(off <= f64::from(*error), "query {query}: {product}, {exact}, {error}");
            (low, high) = (low.min(exact), high.max(exact));
        }
        let range = high - low;
        let is_tiny = range < 1e-25;
        assert!(is_tiny || f64::from(*error) < share * range, "query {query}: {error}, {range}");
    }
}

/// The instructions of AVX-512, one lane at a time.
#[derive(Clone, Copy)]
struct Plain;

impl Vectors for Plain {
    fn unpack(
        self,
        block: &Block,
        codes: &[u8],
        starts: &[[usize; 4]],
        values: &mut [Lanes],
        stride: usize,
    ) {
        for (start, to) in starts.as_flattened().iter().zip(values.iter_mut().step_by(stride)) {
            let bytes = &codes[start + block.first_byte..][..LANES];
            if block.size == TableSize::None {
                to.0 = std::array::from_fn(|lane| bytes[lane] ^ 0x80);
            }
            for table in &block.tables {
                for lane in (0..LANES).filter(|lane| table.lanes >> lane & 1 == 1) {
                    let eight = &block.bytes[lane / 8 * 8..][..8];
                    let eight: [u8; 8] = std::array::from_fn(|i| bytes[usize::from(eight[i])]);
                    let window = u64::from_le_bytes(eight).rotate_right(block.shifts[lane].into());
                    let entry = window as u8 & block.masks[lane] | block.begins[lane];
                    to.0[lane] = table.entries[usize::from(entry)];
                }
            }
        }
    }

    fn unpacked_sums(
        self,
        blocks: &[Block],
        codes: &[u8],
        starts: &[[usize; 4]],
        weights: &[[Lanes; 2]],
    ) -> [i32; padded::ROWS] {
        let mut values = vec![Lanes([0; LANES]); blocks.len() * padded::ROWS];
        for (number, block) in blocks.iter().enumerate() {
            self.unpack(block, codes, starts, &mut values[number..], blocks.len());
        }
        self.sums(&values, blocks.len(), &weights[..blocks.len()])
    }

    fn sums(self, values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; padded::ROWS] {
        std::array::from_fn(|row| {
            let mut sum = 0;
            for (values, [high, low]) in values[row * stride..].iter().zip(weights) {
                for ((v, h), l) in values.0.into_iter().zip(high.0).zip(low.0) {
                    let weight = 128 * i64::from(h as i8) + i64::from(l as i8);
                    sum += i64::from(v) * weight;
                }
            }
            sum as i32
        })
    }
}

#[test]
fn products_of_latents_are_within_their_bound() {
    for plan in plans() {
        let queries = queries(&plan);
        let latents =
            Latents::of(Some(&plan), plan.latents(), &queries).expect("windows of 8 bits");
        let errors: Vec<f32> = latents.scales().iter().map(|scale| scale.error.constant).collect();
        let (mut scratch, mut products) = (Scratch::default(), vec![0.0; ROWS * QUERIES]);
        let rows = rows(&plan);
        let (packed, all) = (packed(&plan, &rows), Rows::Run(0..ROWS as u32));
        let memory = (&mut scratch.codes, &mut scratch.values);
        latents.products_with(Plain, packed, &all, memory, &mut products);
        check(&plan, &queries, &products, &errors, 0.06);
        check_others(Some(&plan), &queries, packed, &products);
    }
}

/// Checks that products are the same with the machine's instructions if it has them, for one query alone, and for some
/// rows that lie apart from each other.
fn check_others(
    plan: Option<&BitPlan>,
    queries: &Projection,
    packed: PackedRows<'_>,
    products: &[f32],
) {
    let latents = plan.map_or(packed.stride(), |plan| plan.latents());
    let listed: Vec<u32> = (0..ROWS as u32).filter(|row| row % 3 != 1).collect();
    let wider = packed.stride() + 5;
    let mut apart = vec![0x5a; ROWS * wider];
    for row in 0..ROWS {
        apart[row * wider..][..packed.stride()].copy_from_slice(packed.row(row as u32));
    }
    let apart = PackedRows::new(&apart, wider, packed.stride());
    for numbers in [(0..QUERIES).collect(), vec![1]] {
        let mut some = Projection::default();
        (some.stride, some.centers) = (queries.stride, vec![0.0; numbers.len()]);
        numbers.iter().for_each(|query| some.values.extend_from_slice(queries.query(*query)));
        let of = |rows: &[u32]| -> Vec<f32> {
            let of_query = |query: &usize| products[query * ROWS..][..ROWS].to_vec();
            let of_rows = |all: Vec<f32>| rows.iter().map(move |row| all[*row as usize]);
            numbers.iter().map(of_query).flat_map(of_rows).collect()
        };
        let all: Vec<u32> = (0..ROWS as u32).collect();
        for (packed, rows, expected) in [
            (packed, Rows::Run(0..ROWS as u32), of(&all)),
            (apart, Rows::Listed(&listed), of(&listed)),
        ] {
            let integers = Latents::of(plan, latents, &some).expect("windows of 8 bits");
            let (mut scratch, mut found) = (Scratch::default(), vec![0.0; expected.len()]);
            let memory = (&mut scratch.codes, &mut scratch.values);
            integers.products_with(Plain, packed, &rows, memory, &mut found);
            assert_eq!(found, expected);
            if latents::instructions_exist() {
                found.fill(0.0);
                Integers(Kind::Latents(integers)).products(packed, &rows, &mut scratch, &mut found);
                assert_eq!(found, expected);
            }
        }
    }
}

/// 8-bit codes have no tables: their products are off by what queries are rounded by.
#[test]
fn products_of_bytes_are_within_their_bound() {
    for latents in [1, 63, 64, 65, 200] {
        let mut queries = Projection::default();
        (queries.stride, queries.centers) = (latents, vec![0.0; QUERIES]);
        let sizes = [1.0, 1e-3, 1e20, 1e-20, 0.0].into_iter();
        let query = |(i, size): (u32, f32)| (0..latents as u32).map(move |j| size * number(i + j));
        queries.values.extend((0..).step_by(31).zip(sizes).flat_map(query));
        let integers = Latents::of(None, latents, &queries).expect("8-bit codes");
        let errors: Vec<_> = integers.scales().iter().map(|scale| scale.error).collect();
        let codes: Vec<u8> =
            (0..(ROWS * latents) as u32).map(|i| (number(i) * 128.0) as i8 as u8).collect();
        let (packed, all) = (PackedRows::new(&codes, latents, latents), Rows::Run(0..ROWS as u32));
        let (mut scratch, mut products) = (Scratch::default(), vec![0.0; ROWS * QUERIES]);
        let memory = (&mut scratch.codes, &mut scratch.values);
        integers.products_with(Plain, packed, &all, memory, &mut products);
        for (query, (products, error)) in products.chunks_exact(ROWS).zip(errors).enumerate() {
            for (row, product) in codes.chunks_exact(latents).zip(products) {
                let row: Vec<f64> = row.iter().map(|code| f64::from(*code as i8)).collect();
                let terms = queries.query(query).iter().zip(&row).map(|(q, c)| f64::from(*q) * c);
                let exact: f64 = terms.sum();
                let norm = row.iter().map(|c| c * c).sum::<f64>().sqrt();
                let bound = f64::from(error.constant) + f64::from(error.per_norm) * norm;
                let off = (f64::from(*product) - exact).abs();
                assert!(off <= bound, "{latents} latents, query {query}: {product}, {exact}");
                let magnitude = norm * f64::from(queries.query(query)[0].abs());
                assert!(
                    bound <= 0.01 * magnitude + 1e-25,
                    "{latents} latents, query {query}: {bound}"
                );
            }
        }
        check_others(None, &queries, packed, &products);
    }
}

/// Weights that are all as large as they may be.
#[test]
fn sums_of_many_equal_weights_have_room() {
    let plan = plan(Window::Last(4), Layout::Packed, &[(2, 4096)], 0);
    let mut queries = Projection::default();
    (queries.stride, queries.values) = (4096, vec![1.0; 4096]);
    queries.centers = vec![0.0];
    let latents = Latents::of(Some(&plan), plan.latents(), &queries).expect("windows of 8 bits");
    let (mut scratch, mut products) = (Scratch::default(), vec![0.0; ROWS]);
    let rows = rows(&plan);
    let packed = packed(&plan, &rows);
    let (all, memory) = (Rows::Run(0..ROWS as u32), (&mut scratch.codes, &mut scratch.values));
    latents.products_with(Plain, packed, &all, memory, &mut products);
    check(&plan, &queries, &products, &[latents.scales()[0].error.constant], 0.5);
}

#[test]
fn products_of_nibbles_are_within_their_bound() {
    let mut count = 0;
    for plan in plans() {
        let queries = queries(&plan);
        let Some(nibbles) = Nibbles::new(&plan, &queries, 1 << 20) else { continue };
        let (mut scratch, mut products) = (Scratch::default(), vec![0.0; ROWS * QUERIES]);
        let all = Integers(Kind::Nibbles(nibbles));
        let rows = rows(&plan);
        let packed = packed(&plan, &rows);
        all.products(packed, &Rows::Run(0..ROWS as u32), &mut scratch, &mut products);
        check(
            &plan,
            &queries,
            &products,
            &all.errors().map(|error| error.constant).collect::<Vec<_>>(),
            0.005,
        );
        count += 1;
    }
    // Machines without such instructions have other products.
    assert!(count == 3 || !super::nibbles::vectors_exist());
}
