//! SQL over columns of codes against the library itself.

mod bad_input;
mod functions;
mod parquet;
mod search;
mod table;
