//! Products by tables and by rounded values.

#[cfg(target_arch = "x86_64")]
use super::super::avx2::with_vectors;
use super::super::look_ups::LookUps;
#[cfg(target_arch = "aarch64")]
use super::super::neon::with_vectors;
use super::super::nibbles::vectors_exist;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::super::no_vectors::with_vectors;
use super::super::vectors::{DOT_LANES, DotRows, Vectors, WithVectors, plain_dots};
use super::super::words::Words;
use super::{Integers, Kind, PackedRows, QUERIES, ROWS, Rows, Scratch};
use super::{check, number, packed, plan, plans, queries, rows};
use crate::bit_codes::{BitPlan, Layout, Window};
use crate::search::Projection;

/// Checks products of all rows, and that those of some rows, which lie apart from each other, are the same.
fn check_all(plan: &BitPlan, queries: &Projection, all: &Integers, share: f64) {
    let (mut scratch, mut products) = (Scratch::default(), vec![0.0; ROWS * QUERIES]);
    let rows = rows(plan);
    let whole = packed(plan, &rows);
    all.products(whole, &Rows::Run(0..ROWS as u32), &mut scratch, &mut products);
    let errors: Vec<f32> = all.errors().map(|error| error.constant).collect();
    check(plan, queries, &products, &errors, share);
    let wider = whole.stride() + 5;
    let mut apart = vec![0x5a; ROWS * wider];
    for row in 0..ROWS {
        apart[row * wider..][..whole.stride()].copy_from_slice(whole.row(row as u32));
    }
    let listed: Vec<u32> = (0..ROWS as u32).filter(|row| row % 3 != 1).collect();
    let mut some = vec![0.0; listed.len() * QUERIES];
    let apart = PackedRows::new(&apart, wider, whole.stride());
    all.products(apart, &Rows::Listed(&listed), &mut scratch, &mut some);
    let of_query = products.chunks_exact(ROWS);
    let expected = of_query.flat_map(|all| listed.iter().map(|row| all[*row as usize]));
    assert!(some.iter().copied().eq(expected));
}

#[test]
fn products_of_look_ups_are_within_their_bound() {
    for plan in plans() {
        let queries = queries(&plan);
        let look_ups = LookUps::new(&plan, &queries, 1 << 20).expect("windows of 12 bits");
        check_all(&plan, &queries, &Integers(Kind::LookUps(look_ups)), 0.1);
    }
}

#[test]
fn products_of_words_are_within_their_bound() {
    for plan in plans().iter().filter(|_| vectors_exist()) {
        let queries = queries(plan);
        let words = Words::of(plan, &queries).expect("few latents");
        check_all(plan, &queries, &Integers(Kind::Words(words)), 0.02);
    }
}

#[test]
fn vectors_multiply_as_plain_integers_do() {
    struct Dots(Vec<DotRows>, Vec<[i16; DOT_LANES]>);
    impl WithVectors for Dots {
        fn run<V: Vectors>(self, vectors: V) {
            assert_eq!(vectors.dots(&self.0, &self.1), plain_dots(&self.0, &self.1));
        }
    }
    for len in [1, 2, 18] {
        let word = |seed: usize, size: f32| (number(seed as u32) * size) as i16;
        let row = |at: usize| std::array::from_fn(|i| word(16 * at + i, 2047.0));
        let rows = |at: usize| std::array::from_fn(|i| row(8 * at + i));
        let weights = |at: usize| std::array::from_fn(|i| word(7 * at + 3 * i, 32767.0));
        with_vectors(Dots((0..len).map(rows).collect(), (0..len).map(weights).collect()));
    }
}

/// Windows of more bits than tables have, and few rows.
#[test]
fn look_ups_are_of_many_rows() {
    let plan = plan(Window::Last(12), Layout::Packed, &[(4, 20), (2, 20)], 0);
    assert!(LookUps::new(&plan, &queries(&plan), 1 << 20).is_some());
    assert!(LookUps::new(&plan, &queries(&plan), 255).is_none());
}
