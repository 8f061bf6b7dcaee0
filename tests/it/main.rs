//! The integration tests, linked into one program. Each file is named by what it tests. `oracle`
//! computes in plain `f64` what both engines must give.

mod agree;
mod algebra;
mod asynchronous;
mod bad_inputs;
mod bit_code_search;
mod bit_codes;
mod codes;
mod compare;
mod cpu_futures;
mod damage;
mod data;
mod devices;
mod docs;
mod engines;
mod evaluate;
mod f16;
mod faults;
mod files;
mod fit;
mod format_oracle;
mod golden;
mod hard_data;
mod input;
mod layers;
mod limits;
mod memory;
mod objective;
mod oracle;
mod pipeline_cache;
mod precision;
mod predecessor;
mod properties;
mod public_api;
mod real_data;
mod reencode;
mod refused;
mod regions;
mod segments;
#[cfg(feature = "serde")]
mod serialized;
mod shapes;
mod stats;
mod stress;
mod values;
mod words;
