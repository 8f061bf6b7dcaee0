//! Tolerances of all comparisons, and a report of all cases that exceed them.

use std::fmt::Display;

use vecodec::Codes;

use crate::oracle::{Encoded, norm};

/// Relative tolerance of a scale, and of a value relative to the norm of its row.
pub const RTOL: f64 = 1e-5;
/// Absolute tolerance of a value, where a bias or normalization fixes the magnitude of the values.
pub const ATOL: f64 = 1e-5;
/// The share of codes that may differ by one level.
const OFF_BY_ONE: f64 = 1e-3;
/// The largest distance of such a code from the middle between two levels, in levels.
const NEAR_TIE: f64 = 3e-3;

/// Runs checks that write to a report, then fails if the report has failures.
pub fn all_agree(checks: impl FnOnce(&mut Report)) {
    let mut report = Report::default();
    checks(&mut report);
    let Report { failures, compared, entries, off_by_one } = report;
    assert!(compared > 0, "nothing was compared");
    let allowed = entries as f64 * OFF_BY_ONE;
    assert!(
        failures.is_empty() && off_by_one as f64 <= allowed,
        "{} of {compared} comparisons failed; {off_by_one} of {entries} codes are one level off, \
         and {allowed} may be\n{}",
        failures.len(),
        failures.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n")
    );
}

#[derive(Default)]
pub struct Report {
    failures: Vec<String>,
    compared: usize,
    entries: usize,
    off_by_one: usize,
}

impl Report {
    pub fn fail(&mut self, what: impl Display) {
        self.failures.push(what.to_string());
    }

    /// Compares codes and scales with those of the oracle.
    pub fn codes(&mut self, case: impl Display, truth: &Encoded, found: &Codes) {
        self.compared += 1;
        let (rows, latent) = (truth.scales.len(), truth.codes.len() / truth.scales.len());
        let sizes = (found.row_count(), found.as_bytes().len(), found.scales().len());
        if sizes != (rows, rows * latent, rows) {
            return self.fail(format!("{case}: rows, bytes and scales are {sizes:?}"));
        }
        for (row, (expected, &scale)) in truth.scales.iter().zip(found.scales()).enumerate() {
            if !within(f64::from(scale) - expected, RTOL * expected) {
                self.fail(format!("{case}: scale {row} is {scale:e}, expected {expected:e}"));
            }
        }
        let mut off_by_one = 0;
        for (i, (expected, &byte)) in truth.codes.iter().zip(found.as_bytes()).enumerate() {
            let (code, unrounded) = (i32::from(byte as i8), truth.unrounded[i]);
            if code == *expected {
                continue;
            }
            off_by_one += 1;
            let middle = f64::from(code + expected) / 2.0;
            if (code - expected).abs() > 1 || (unrounded - middle).abs() > NEAR_TIE {
                let (row, latent) = (i / latent, i % latent);
                self.fail(format!(
                    "{case}: code {latent} of row {row} is {code}, expected {unrounded}"
                ));
            }
        }
        // A large case must meet the limit by itself; small cases meet it together.
        if truth.codes.len() >= 10_000 && off_by_one as f64 > truth.codes.len() as f64 * OFF_BY_ONE
        {
            self.fail(format!("{case}: {off_by_one} of {} codes differ", truth.codes.len()));
        }
        self.entries += truth.codes.len();
        self.off_by_one += off_by_one;
    }

    /// Compares rows with those of the oracle. The tolerance of a value is `atol` plus [`RTOL`]
    /// times the norm of its row.
    pub fn rows(
        &mut self,
        case: impl Display,
        expected: &[f64],
        found: &[f32],
        dim: usize,
        atol: f64,
    ) {
        self.compared += 1;
        if expected.len() != found.len() {
            let (expected, found) = (expected.len(), found.len());
            return self.fail(format!("{case}: {found} values, expected {expected}"));
        }
        for (row, (expected, found)) in expected.chunks(dim).zip(found.chunks(dim)).enumerate() {
            let tolerance = atol + RTOL * norm(expected);
            let errors = expected.iter().zip(found).map(|(a, b)| a - f64::from(*b));
            if let Some((at, error)) =
                errors.enumerate().find(|(_, error)| !within(*error, tolerance))
            {
                self.fail(format!(
                    "{case}: value {at} of row {row} is {:e}, expected {:e}: \
                     off by {error:e}, {tolerance:e} allowed",
                    found[at], expected[at]
                ));
            }
        }
    }
}

/// Whether an error is within the tolerance. A NaN is not.
fn within(error: f64, tolerance: f64) -> bool {
    error.abs() <= tolerance
}

/// Compares bit for bit: a NaN equals itself, and -0 differs from 0.
#[track_caller]
pub fn assert_same_bits(left: &[f32], right: &[f32], what: impl Display) {
    assert_eq!(left.len(), right.len(), "{what}: lengths");
    if let Some(i) = left.iter().zip(right).position(|(a, b)| a.to_bits() != b.to_bits()) {
        panic!("{what}: value {i} is {:e} against {:e}", left[i], right[i]);
    }
}

/// Matches an error against a pattern. Its message must contain each of the words.
macro_rules! assert_error {
    ($error:expr, $pattern:pat $(if $guard:expr)?, $($word:expr),+) => {
        let error = $error;
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
        $(assert!(error.to_string().contains($word), "{:?} is not in {error:?}", $word);)+
    };
}
pub(crate) use assert_error;
