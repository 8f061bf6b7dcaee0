//! The matrix multiplication of all CPU paths.

use std::cell::RefCell;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::simd::clear_upper_halves;

/// Multiply-adds up to which faer 0.24 takes another kernel, whose sums are rounded otherwise.
const SMALL_GEMM: usize = 16 * 16 * 16;

/// `out[rows, outputs] = x[rows, inputs] w[outputs, inputs]^T + bias[outputs]`, all row-major,
/// on the calling thread.
///
/// The bits of a row do not depend on the rows beside it, and so neither on how a batch is divided
/// nor on the number of threads.
pub(crate) fn linear(out: &mut [f32], x: &[f32], w: &[f32], bias: Option<&[f32]>, inputs: usize) {
    linear_with(out, x, Weights { values: w, transposed: false }, bias, inputs);
}

/// The weights of a layer: `[outputs, inputs]`, or `[inputs, outputs]` if transposed.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) transposed: bool,
}

/// What [`linear`] computes, with weights of either layout.
pub(crate) fn linear_with(
    out: &mut [f32],
    x: &[f32],
    w: Weights<'_>,
    bias: Option<&[f32]>,
    inputs: usize,
) {
    let (outputs, rows) = (w.values.len() / inputs, x.len() / inputs);
    let least = least_rows(inputs, outputs);
    if rows >= least {
        return gemm(out, x, w, bias, inputs);
    }
    thread_local! {
        static PADDED: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
    }
    PADDED.with_borrow_mut(|(padded_x, padded_out)| {
        padded_x.clear();
        padded_x.extend_from_slice(x);
        padded_x.resize(least * inputs, 0.0);
        padded_out.resize(least * outputs, 0.0);
        gemm(padded_out, padded_x, w, bias, inputs);
        out.copy_from_slice(&padded_out[..out.len()]);
    });
}

/// The rows that a GEMM needs for the kernel of large ones. One row would be a matrix-vector product,
/// which is rounded otherwise as well.
fn least_rows(inputs: usize, outputs: usize) -> usize {
    (SMALL_GEMM / (inputs * outputs) + 1).max(2)
}

/// A dot product in `f64`, in eight sums: two vectors where it is inlined into code for vectors.
#[inline(always)]
pub(crate) fn wide_dot<T: Copy + Into<f64>>(a: &[T], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i].into() * f64::from(b[i]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| (*a).into() * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// `out[rows, others] = rows[rows, inputs] others[others, inputs]^T` in `f64`, all row-major, on the calling thread.
pub(crate) fn wide_products(out: &mut [f64], rows: &[f64], others: &[f64], inputs: usize) {
    let (count, others_count) = (rows.len() / inputs, others.len() / inputs);
    let out = MatMut::from_row_major_slice_mut(out, count, others_count);
    let rows = MatRef::from_row_major_slice(rows, count, inputs);
    let others = MatRef::from_row_major_slice(others, others_count, inputs).transpose();
    matmul(out, Accum::Replace, rows, others, 1.0, Par::Seq);
    clear_upper_halves();
}

fn gemm(out: &mut [f32], x: &[f32], w: Weights<'_>, bias: Option<&[f32]>, inputs: usize) {
    let outputs = w.values.len() / inputs;
    let rows = x.len() / inputs;
    let accumulate = match bias {
        Some(bias) => {
            out.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            Accum::Add
        }
        None => Accum::Replace,
    };
    let by_input = match w.transposed {
        true => MatRef::from_row_major_slice(w.values, inputs, outputs),
        false => MatRef::from_row_major_slice(w.values, outputs, inputs).transpose(),
    };
    matmul(
        MatMut::from_row_major_slice_mut(out, rows, outputs),
        accumulate,
        MatRef::from_row_major_slice(x, rows, inputs),
        by_input,
        1.0,
        Par::Seq,
    );
    clear_upper_halves();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed) as f32 * 0.618).sin()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes hours under Miri")]
    fn the_bits_of_a_row_do_not_depend_on_the_rows_beside_it() {
        const ROWS: usize = 257;
        for (inputs, outputs) in [
            (1, 1),
            (1, 7),
            (7, 1),
            (3, 2),
            (16, 16),
            (300, 2),
            (2, 300),
            (33, 17),
            (64, 384),
            (768, 128),
            (1536, 5),
            (5000, 3),
            (3, 5000),
        ] {
            let (x, w) = (values(ROWS * inputs, 1), values(outputs * inputs, 2));
            let bias = values(outputs, 3);
            for (bias, transposed) in
                [(None, false), (Some(bias.as_slice()), false), (Some(bias.as_slice()), true)]
            {
                let w = Weights { values: &w, transposed };
                let product = |rows: usize| {
                    let mut out = vec![0.0; rows * outputs];
                    linear_with(&mut out, &x[..rows * inputs], w, bias, inputs);
                    out
                };
                let all = product(ROWS);
                for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 63, 64, 100, 255, 256] {
                    let same =
                        product(rows).iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{inputs} -> {outputs}, {rows} rows");
                }
            }
        }
    }
}
