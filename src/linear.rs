//! The matrix multiplication of all CPU paths.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `out[rows, outputs] = x[rows, inputs] w[outputs, inputs]^T + bias[outputs]`, all row-major,
/// on the calling thread.
pub(crate) fn linear(out: &mut [f32], x: &[f32], w: &[f32], bias: Option<&[f32]>, inputs: usize) {
    let outputs = w.len() / inputs;
    let rows = x.len() / inputs;
    let accumulate = match bias {
        Some(bias) => {
            out.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            Accum::Add
        }
        None => Accum::Replace,
    };
    matmul(
        MatMut::from_row_major_slice_mut(out, rows, outputs),
        accumulate,
        MatRef::from_row_major_slice(x, rows, inputs),
        MatRef::from_row_major_slice(w, outputs, inputs).transpose(),
        1.0,
        Par::Seq,
    );
}
