//! Runs the program as its users do, and checks what it writes and prints.

mod damaged;
mod dialects;
mod drift;
mod ends;
mod eval;
mod files;
mod formats;
mod outputs;
#[cfg(feature = "parquet")]
mod parquet;
mod pipes;
mod refused;
mod report;
mod rows;
mod sandbox;
mod search;
mod table;
