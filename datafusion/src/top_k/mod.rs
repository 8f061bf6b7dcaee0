//! Sorts by score with a limit, as searches.
//!
//! ```text
//! SortExec: fetch=k, [score DESC]           SortExec: fetch=k, [score DESC]
//!   ProjectionExec: score(codes, query)  =>    ProjectionExec: score(codes, query)
//!     scan                                       CodesTopKExec: k best rows of each group of rows
//!                                                  scan
//! ```
//!
//! The sort stays: it has the scores of few rows to compare. It also decides about rows without codes, of which a
//! search leaves as many as the sort could want.

mod exec;
mod rule;

pub use exec::CodesTopKExec;
#[cfg(feature = "cluster")]
pub(crate) use exec::Search;
pub use rule::CodesTopKRule;
