//! SQL over columns of codes against the library itself.

mod bad_input;
#[cfg(feature = "cluster")]
mod cluster;
mod functions;
mod parquet;
mod search;
mod table;
