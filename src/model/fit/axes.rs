//! The centroid and the principal axes of rows, or of the rows of each region.

use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par, Side};

use super::super::{ModelConfig, Objective};
use super::options::CancelToken;
use crate::error::{Error, Result};
use crate::memory;
use crate::mixture::Groups;

/// Rows that are worked on at a time.
pub(super) const BLOCK_ROWS: usize = 1024;

/// The centroid of a region, its axes in order of their variances, and these.
#[derive(Clone)]
pub(super) struct Axes {
    pub(super) centroid: Vec<f32>,
    /// `[axes, dim]`
    pub(super) basis: Vec<f32>,
    pub(super) variances: Vec<f64>,
    /// The mean squares of queries along each axis, once they are needed.
    pub(super) query_squares: Option<Vec<f64>>,
}

/// Bytes that the axes of so many regions take, and the models that come of them.
pub(super) fn memory_bytes(config: &ModelConfig, rows: usize, regions: usize) -> u64 {
    // A problem of as many rows and columns as there are rows or values.
    let side = if regions == 1 { config.dim.min(rows) } else { config.dim };
    let scratch = self_adjoint_evd_scratch::<f64>(
        side,
        ComputeEigenvectors::Yes,
        Par::rayon(0),
        Default::default(),
    );
    // The scatter of each region, the pooled one, what the solver overwrites, and the eigenvectors.
    let matrices = regions.checked_add(3).and_then(|n| memory::bytes_of::<f64>(&[n, side, side]));
    let latents = if config.bytes().is_some() { side } else { config.latent_dim };
    let basis = memory::bytes_of::<f32>(&[2, regions, config.dim, side]);
    // Encoder and decoder: of the fit, and of the models before and after the training of tables.
    let weights = memory::bytes_of::<f32>(&[6, config.dim, latents]);
    // The second moments of queries, and their product with a basis.
    let searches = config.objective() == Some(Objective::Search);
    let moments = match searches {
        true => memory::bytes_of::<f64>(&[config.dim + 2 * side, config.dim]),
        false => Some(0),
    };
    [Some(scratch.size_bytes() as u64), matrices, basis, weights, moments]
        .into_iter()
        .try_fold(0u64, |sum, bytes| sum.checked_add(bytes?))
        .unwrap_or(u64::MAX)
}

impl Axes {
    /// The axes in another order.
    pub(super) fn ordered(&self, order: &[usize]) -> Self {
        let dim = self.centroid.len();
        let axis = |i: &usize| &self.basis[i * dim..][..dim];
        Self {
            centroid: self.centroid.clone(),
            basis: order.iter().flat_map(axis).copied().collect(),
            variances: order.iter().map(|i| self.variances[*i]).collect(),
            query_squares: self
                .query_squares
                .as_ref()
                .map(|squares| order.iter().map(|i| squares[*i]).collect()),
        }
    }
}

/// The axes of all regions of the rows `[rows, dim]`, given the region of each row.
///
/// A region's covariance is mixed with the pooled covariance of all residuals by
/// `n / (n + 2 dim)`: a region of few rows would otherwise take the accidents of its rows for axes.
pub(super) fn axes(
    rows: &[f32],
    dim: usize,
    assigned: &[u8],
    count: usize,
    cancel: &CancelToken,
) -> Result<Vec<Axes>> {
    let mut groups = Groups::default();
    groups.sort(assigned, count);
    let means = means(rows, dim, &groups, count);
    let row_count = assigned.len();
    if count == 1 && row_count < dim {
        return Ok(vec![axes_of_few(rows, dim, &means[0])?]);
    }
    let mut pooled = Mat::<f64>::zeros(dim, dim);
    let mut scatters: Vec<(usize, Mat<f64>)> = Vec::with_capacity(count);
    for (number, group) in groups.iter() {
        let mut scatter = Mat::<f64>::zeros(dim, dim);
        for block in group.chunks(BLOCK_ROWS) {
            cancel.check()?;
            let centred = Mat::from_fn(block.len(), dim, |r, c| {
                f64::from(rows[block[r] as usize * dim + c]) - means[number][c]
            });
            add_gram(&mut scatter, centred.as_ref());
        }
        if count > 1 {
            pooled += &scatter;
        }
        scatters.push((number, scatter));
    }
    let mut all = Vec::with_capacity(count);
    let mut scatters = scatters.into_iter().peekable();
    for (number, mean) in means.iter().enumerate() {
        cancel.check()?;
        let (rows, mut covariance) = match scatters.next_if(|(found, _)| *found == number) {
            Some((_, scatter)) => (groups.rows(number).len(), scatter),
            None => (0, Mat::zeros(dim, dim)),
        };
        // n C_r + 2 dim C, both over n + 2 dim.
        let extra = if count > 1 { 2 * dim } else { 0 };
        let share = 1.0 / (rows + extra) as f64;
        let pooled_share = extra as f64 / row_count as f64;
        for c in 0..dim {
            for r in c..dim {
                let mixed = match extra {
                    0 => covariance[(r, c)],
                    _ => covariance[(r, c)] + pooled_share * pooled[(r, c)],
                };
                covariance[(r, c)] = share * mixed;
            }
        }
        all.push(of_covariance(mean, &covariance)?);
    }
    Ok(all)
}

/// The mean of each region's rows; of all rows for a region without any.
fn means(rows: &[f32], dim: usize, groups: &Groups, count: usize) -> Vec<Vec<f64>> {
    let mut total = vec![0.0; dim];
    let mut means = vec![None; count];
    for (number, group) in groups.iter() {
        let mut sum = vec![0.0; dim];
        for row in group {
            let row = &rows[*row as usize * dim..][..dim];
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v));
        }
        total.iter_mut().zip(&sum).for_each(|(total, sum)| *total += sum);
        sum.iter_mut().for_each(|sum| *sum /= group.len() as f64);
        means[number] = Some(sum);
    }
    let row_count = rows.len() / dim;
    total.iter_mut().for_each(|total| *total /= row_count as f64);
    means.into_iter().map(|mean| mean.unwrap_or_else(|| total.clone())).collect()
}

/// The axes of a covariance, of which the lower triangle counts.
fn of_covariance(mean: &[f64], covariance: &Mat<f64>) -> Result<Axes> {
    let dim = mean.len();
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::Fit { stage: "the eigenvectors of the covariance" })?;
    let (mut basis, mut variances) = (Vec::with_capacity(dim * dim), Vec::with_capacity(dim));
    // Eigenvalues ascend.
    for column in (0..dim).rev() {
        let axis: Vec<f64> = eigen.U().col(column).iter().copied().collect();
        variances.push(eigen.S()[column].max(0.0));
        basis.extend(signed(&axis));
    }
    let centroid = mean.iter().map(|m| *m as f32).collect();
    Ok(Axes { centroid, basis, variances, query_squares: None })
}

/// The axes of fewer rows than dimensions: the eigenvectors of the products of all pairs of rows give
/// them (Turk and Pentland, 1991), and an n x n problem is far smaller.
fn axes_of_few(rows: &[f32], dim: usize, mean: &[f64]) -> Result<Axes> {
    let count = rows.len() / dim;
    let centred = Mat::from_fn(count, dim, |r, c| f64::from(rows[r * dim + c]) - mean[c]);
    let mut products = Mat::<f64>::zeros(count, count);
    matmul(&mut products, Accum::Replace, &centred, centred.transpose(), 1.0, Par::rayon(0));
    let eigen = products
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::Fit { stage: "the eigenvectors of the rows' products" })?;
    let largest = eigen.S()[count - 1].max(0.0);
    let (mut basis, mut variances) = (Vec::new(), Vec::new());
    for column in (0..count).rev() {
        let energy = eigen.S()[column];
        // Beyond the rank of the rows there are no axes. One is always there.
        if !variances.is_empty() && energy <= 1e-12 * largest {
            break;
        }
        let mut axis = vec![0.0; dim];
        for row in 0..count {
            let weight = eigen.U()[(row, column)];
            axis.iter_mut().enumerate().for_each(|(c, a)| *a += weight * centred[(row, c)]);
        }
        let norm = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
        match norm > 0.0 {
            true => axis.iter_mut().for_each(|a| *a /= norm),
            false => axis[0] = 1.0,
        }
        basis.extend(signed(&axis));
        variances.push(energy.max(0.0) / count as f64);
    }
    let centroid = mean.iter().map(|m| *m as f32).collect();
    Ok(Axes { centroid, basis, variances, query_squares: None })
}

/// An axis whose largest entry is positive.
fn signed(axis: &[f64]) -> impl Iterator<Item = f32> {
    let sign = sign_of(axis);
    axis.iter().map(move |v| (sign * v) as f32)
}

/// The sign that makes an axis' largest entry positive: an eigenvector's own sign is arbitrary.
fn sign_of(axis: &[f64]) -> f64 {
    let larger = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
    axis.iter().copied().fold(0.0, larger).signum()
}

/// Adds the lower triangle of `x^T x`.
pub(super) fn add_gram(gram: &mut Mat<f64>, x: MatRef<'_, f64>) {
    triangular::matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::rayon(0),
    );
}
