//! How a query is compared with a row.

use std::fmt;
use std::str::FromStr;

/// How a query `q` is compared with a row, which is known as `x = s (c + r)`: the norm `s` where the model
/// stores norms and 1 elsewhere, the centroid `c` of the row's region, and the rest `r` that its code adds.
///
/// | metric | score | best |
/// |---|---|---|
/// | `InnerProduct` | `q . x` | the largest |
/// | `Cosine` | `q . (c + t r) / abs(q)` | the largest |
/// | `L2` | `abs(q - x)^2` | the smallest |
///
/// Coding shortens rows, because it leaves out what it cannot represent. `t > 0` gives the row back its
/// length: `abs(c + t r) = 1`. This ranks rows better than the cosine with the decoded row. It needs the
/// norm of the row that was encoded, which is known in two cases: the model stores norms, or it was fitted
/// on rows of norm 1. Elsewhere `t` is 1, and the score is divided by `abs(c + r)`: the cosine with the
/// decoded row. A query or a row of zeros has the score 0.
///
/// `InnerProduct` and `L2` score the decoded row as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Metric {
    /// The inner product.
    InnerProduct,
    /// The cosine.
    Cosine,
    /// The squared Euclidean distance.
    L2,
}

/// Products of the parts of a row `c + r`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Products {
    /// `c . c`
    pub(crate) center: f64,
    /// `c . r`
    pub(crate) cross: f64,
    /// `r . r`
    pub(crate) rest: f64,
}

/// What a row's key is made of: `key = latents * (q D . z) + center * (q . c) + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) latents: f32,
    pub(crate) center: f32,
    pub(crate) offset: f32,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 3] = [Self::InnerProduct, Self::Cosine, Self::L2];

    /// The metric in words, as programs and files spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InnerProduct => "inner-product",
            Self::Cosine => "cosine",
            Self::L2 => "l2",
        }
    }

    /// Whether rows have a number of their own.
    pub(crate) fn has_numbers(self) -> bool {
        self != Self::InnerProduct
    }

    /// The number of a row: what [`terms`](Self::terms) needs of its latents.
    ///
    /// `norm` is `s`. `is_known` says that `abs(x) / s` was 1 before coding.
    ///
    /// ```text
    /// L2      s^2 (c + r)^2
    /// Cosine  t        where abs(c + t r) = 1 has a solution
    ///         -1 / abs(c + r)        elsewhere; 0 for a row of zeros
    /// ```
    pub(crate) fn number(self, products: Products, norm: f64, is_known: bool) -> f64 {
        let Products { center, cross, rest } = products;
        let squared = (center + 2.0 * cross + rest).max(0.0);
        match self {
            Self::InnerProduct => 0.0,
            Self::L2 => norm * norm * squared,
            Self::Cosine if norm == 0.0 || squared == 0.0 => 0.0,
            Self::Cosine => match full_length(products) {
                Some(t) if is_known => t,
                _ => -1.0 / squared.sqrt(),
            },
        }
    }

    /// The terms of a row. `norm` is `s`, and `code_scale` is what 8-bit codes are multiplied by, 1 for
    /// bit codes.
    #[inline(always)]
    pub(crate) fn terms(self, norm: f32, code_scale: f32, number: f32) -> Terms {
        let (size, offset) = match self {
            Self::InnerProduct => (norm, 0.0),
            // The query is doubled: |q|^2 - key = |q|^2 - 2 q . x + |x|^2.
            Self::L2 => (norm, -number),
            Self::Cosine if number > 0.0 => {
                return Terms { latents: number * code_scale, center: 1.0, offset: 0.0 };
            }
            Self::Cosine => (-number, 0.0),
        };
        Terms { latents: size * code_scale, center: size, offset }
    }

    /// What a query of this squared norm is multiplied by before its products are computed.
    pub(crate) fn query_scale(self, squared_norm: f64) -> f64 {
        match self {
            Self::InnerProduct => 1.0,
            Self::L2 => 2.0,
            Self::Cosine if squared_norm == 0.0 => 0.0,
            Self::Cosine => 1.0 / squared_norm.sqrt(),
        }
    }

    /// The score of a key.
    pub(crate) fn score(self, key: f32, squared_norm: f64) -> f32 {
        match self {
            Self::InnerProduct | Self::Cosine => key,
            // Rounding may leave less than nothing of a distance.
            Self::L2 => ((squared_norm - f64::from(key)) as f32).max(0.0),
        }
    }

    /// The score of a hit that there is none of.
    pub(crate) fn worst_score(self) -> f32 {
        match self {
            Self::InnerProduct | Self::Cosine => f32::NEG_INFINITY,
            Self::L2 => f32::INFINITY,
        }
    }
}

/// The `t > 0` for which `abs(c + t r) = 1`, if there is one.
fn full_length(products: Products) -> Option<f64> {
    let Products { center, cross, rest } = products;
    let missing = 1.0 - center;
    let root = (cross * cross + rest * missing).sqrt();
    // Of the two forms of the larger solution, the one that does not subtract.
    let t = if cross > 0.0 { missing / (cross + root) } else { (root - cross) / rest };
    (t.is_finite() && t > 0.0).then_some(t)
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|metric| metric.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no metric: pass inner-product, cosine or l2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengthened_rows_have_norm_one() {
        // Two axes: c = (c0, 0), r = (r0, r1).
        for (c0, r0, r1) in [(0.5, 0.1, 0.2), (0.9, -0.3, 0.1), (0.0, 0.3, 0.4), (0.99, 1e-6, 0.1)]
        {
            let products = Products { center: c0 * c0, cross: c0 * r0, rest: r0 * r0 + r1 * r1 };
            let t = Metric::Cosine.number(products, 1.0, true);
            let norm: f64 = (c0 + t * r0).hypot(t * r1);
            assert!(t > 0.0 && (norm - 1.0).abs() < 1e-12, "{c0} {r0} {r1}: {t} {norm}");
        }
    }

    #[test]
    fn rows_without_a_known_length_are_divided_by_their_norm() {
        let number = |products, norm, is_known| Metric::Cosine.number(products, norm, is_known);
        let some = Products { center: 0.25, cross: 0.0, rest: 0.11 };
        assert_eq!(number(some, 1.0, false), -1.0 / 0.6f64);
        // A row that is its centroid, and a centroid that is too long.
        assert_eq!(number(Products { center: 0.25, cross: 0.0, rest: 0.0 }, 1.0, true), -2.0);
        assert_eq!(number(Products { center: 4.0, cross: 1.0, rest: 0.25 }, 1.0, true), -0.4);
        // Rows of zeros.
        assert_eq!(number(Products { center: 0.0, cross: 0.0, rest: 0.0 }, 1.0, true), 0.0);
        assert_eq!(number(some, 0.0, true), 0.0);
    }

    #[test]
    fn metrics_are_spelled_as_they_are_read() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        assert!("dot".parse::<Metric>().unwrap_err().contains("inner-product"));
    }
}
