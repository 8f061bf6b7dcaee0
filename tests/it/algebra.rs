//! Textbook linear algebra, for comparison with fitted models.

/// A square matrix, as a list of its rows.
pub type Matrix = Vec<Vec<f64>>;

/// The covariance matrix: `x^T x` of the centred rows, divided by the number of rows.
pub fn covariance(rows: &[f32], dim: usize) -> Matrix {
    let n = (rows.len() / dim) as f64;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks(dim) {
        (0..dim).for_each(|i| mean[i] += f64::from(row[i]) / n);
    }
    let mut covariance = vec![vec![0.0; dim]; dim];
    for row in rows.chunks(dim) {
        for i in 0..dim {
            for j in 0..dim {
                let (a, b) = (f64::from(row[i]) - mean[i], f64::from(row[j]) - mean[j]);
                covariance[i][j] += a * b / n;
            }
        }
    }
    covariance
}

/// The eigenvalues of a symmetric matrix in descending order, by Jacobi rotations.
pub fn eigenvalues(mut a: Matrix) -> Vec<f64> {
    let n = a.len();
    for _ in 0..100 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

/// The least squared error per row with which an affine map can predict `y` from `x`. Solves the
/// normal equations by Gaussian elimination and skips columns without a pivot.
pub fn least_squares_error(x: &[f64], columns: usize, y: &[f32], dim: usize) -> f64 {
    let n = y.len() / dim;
    let width = columns + 1;
    let extended: Vec<Vec<f64>> = x.chunks(columns).map(|row| [row, &[1.0]].concat()).collect();
    let mut system = vec![vec![0.0; width + dim]; width];
    for (row, y) in extended.iter().zip(y.chunks(dim)) {
        for i in 0..width {
            (0..width).for_each(|j| system[i][j] += row[i] * row[j]);
            (0..dim).for_each(|j| system[i][width + j] += row[i] * f64::from(y[j]));
        }
    }
    let energy: Vec<f64> = (0..width).map(|i| system[i][i]).collect();
    for i in 0..width {
        let pivot = system[i].clone();
        if pivot[i] <= 1e-12 * energy[i] {
            system[i].fill(0.0);
            continue;
        }
        for (k, row) in system.iter_mut().enumerate() {
            let multiple = row[i] / pivot[i];
            if k == i {
                row.iter_mut().for_each(|v| *v /= pivot[i]);
            } else {
                row.iter_mut().zip(&pivot).for_each(|(v, p)| *v -= multiple * p);
            }
        }
    }
    let mut error = 0.0;
    for (row, y) in extended.iter().zip(y.chunks(dim)) {
        for (j, y) in y.iter().enumerate() {
            let found: f64 = (0..width).map(|i| row[i] * system[i][width + j]).sum();
            error += (found - f64::from(*y)).powi(2);
        }
    }
    error / n as f64
}

#[test]
fn eigenvalues_of_a_known_matrix() {
    let found = eigenvalues(vec![vec![2.0, 1.0, 0.0], vec![1.0, 2.0, 0.0], vec![0.0, 0.0, 5.0]]);
    for (found, expected) in found.iter().zip([5.0, 3.0, 1.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}");
    }
}

#[test]
fn least_squares_of_a_known_line() {
    // y = 2 x + 1, and later one value that is 3 too high: the squared residuals then sum to 6.3.
    let (x, mut y) = ([0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 5.0, 7.0, 9.0]);
    assert!(least_squares_error(&x, 1, &y, 1) < 1e-20);
    y[1] += 3.0;
    assert!((least_squares_error(&x, 1, &y, 1) * 5.0 - 6.3).abs() < 1e-12);
}
