//! Search on a device: it finds the rows that the hits are among, and the host ranks them.
//!
//! # Rows
//! A batch lies on the device as tiles of rows of one region, in planes of words ([`layout`],
//! `shaders/search/scan.wgsl`), in as many shards as the limits of a binding ask for ([`resident`]). Of several devices
//! each has an equal part of the tiles. All begin a search before the first is waited for ([`run`]). Shards that a device
//! has no room for stay in the host's memory, where the same kernels read them through the link.
//!
//! # Rounds
//! Scores are never written to memory. Each query has a threshold, and a list of the candidates that reached it.
//!
//! ```text
//! threshold = none
//! for a sample, then each round:                       some of the tiles, spread over all rows
//!     scan:    list += rows whose key >= threshold
//!     select:  threshold = the k-th largest key of the list - slack;  drop candidates below it
//!              after the sample: drop all candidates
//! ```
//!
//! The sample has at most as many rows as a list holds, a few of each of many tiles. Each later round scores whole
//! tiles, up to about 64 times the rows of all before it ([`rounds`]). So the threshold of a round comes from at least
//! one in 64 of the rows that are known after it, and at most about `64 k` rows reach it, wherever the best rows lie. A list holds twice as many. If
//! more reach it nevertheless, copies of one row say, the query is answered on the CPU.
//!
//! The device brings queries to the latent spaces itself ([`projection`]). While it searches, the host does so in `f64`,
//! for the ranking. With few queries, several latents of scalar codes are looked up at once, in tables of each query that a kernel
//! forms first ([`bundles`], [`division`]). Those of a trellis are multiplied in integers of 8 bits, up to four at once.
//!
//! ```text
//! scan:    list += rows for which key in integers + margin >= threshold
//! near:    keys of the list = keys in f32
//! ```
//!
//! The margin bounds what rounding to integers takes from a key. So lists have all rows that `f32` would have put there,
//! and rows within the margin below, until the selection drops them.
//!
//! Thresholds change between rounds alone. So the rows that are found depend on no order of threads.
//!
//! # Exact
//! `slack` is twice the bound on the error of a key, so that no row is lost that is a hit by its exact key.
//! What is found goes to the ranking of the CPU engine: hits are the same on both engines.
//!
//! # Recorded
//! A search that the caller's encoder takes ([`record`]) reads nothing back. There `slack` is zero: rows are
//! ordered by their keys in f32, and those of equal keys by their numbers, so that copies of one row overflow no
//! list.

mod buffers;
mod bundles;
mod division;
mod layout;
mod program;
mod programs;
mod projection;
mod record;
mod resident;
mod rounds;
mod run;
mod work;

pub(crate) use buffers::SearchPool;
#[cfg(test)]
pub(crate) use layout::SearchLayout;
pub(crate) use programs::SearchPrograms;
pub(crate) use record::{RecordPool, RecordedQueries};
pub(crate) use resident::{ResidentRows, RowBudget, Share};
pub(crate) use rounds::MAX_HITS;
#[cfg(test)]
pub(crate) use rounds::Round;
#[cfg(test)]
pub(crate) use work::List;
pub(crate) use work::{Searched, is_possible};
