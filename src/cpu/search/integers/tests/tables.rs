//! Products by tables.

use super::super::look_ups::LookUps;
use super::{Integers, Kind, PackedRows, QUERIES, ROWS, Rows, Scratch};
use super::{check, packed, plan, plans, queries, rows};
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

/// Windows of more bits than tables have, and few rows.
#[test]
fn look_ups_are_of_many_rows() {
    let plan = plan(Window::Last(12), Layout::Packed, &[(4, 20), (2, 20)], 0);
    assert!(LookUps::new(&plan, &queries(&plan), 1 << 20).is_some());
    assert!(LookUps::new(&plan, &queries(&plan), 255).is_none());
}
