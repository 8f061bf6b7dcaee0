//! What a search on codes computes, for both engines.
//!
//! A row decodes to `x = s (c + D z)`: the centroid `c` and the decoder `D` of the row's region, the row's
//! latents `z`, and its norm `s`, which is 1 where norms are not stored. With 8-bit codes `c` is the bias
//! of the decoder. A score is linear in `x`, so the row itself is never formed:
//!
//! ```text
//! key(row) = a (q D) . z + b (q . c) + o        the larger the better
//! ```
//!
//! `q D` and `q . c` are computed once per query and region ([`Queries`]). `a`, `b` and `o` depend on the
//! row alone ([`Terms`]), and follow from the row's scale and from one number per row, which is computed
//! when codes are loaded ([`Metric`]).
//!
//! # Exact
//! A fast pass computes keys in `f32`. It knows a bound on its error, and keeps every row whose key is
//! within twice the bound of the k-th best ([`Best`]). The rows that are left are scored again: the sum
//! over latents in `f64`, rounded to `f32` once. That score decides, and of equal scores the row that was
//! added first. So results depend neither on the way a row was scored first, nor on threads.

mod batch;
mod best;
mod bitmap;
mod listing;
mod metric;
mod queries;
mod records;
mod slack;

pub(crate) use batch::{Batch, Reach, View, locate};
pub(crate) use best::{Best, Candidate, Threshold, ranked};
pub(crate) use bitmap::Bitmap;
pub(crate) use listing::{BLOCK_ROWS, Listing, Rows};
pub use metric::Metric;
pub(crate) use metric::{Products, Terms};
pub(crate) use queries::{Projection, Queries, ScaledQueries};
pub(crate) use records::{PackedRows, Records};
#[cfg(feature = "gpu")]
pub(crate) use slack::{DeviceProducts, RegionNorms, device_slacks};
pub(crate) use slack::{ProductError, slacks};
