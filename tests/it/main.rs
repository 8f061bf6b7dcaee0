//! The integration tests, linked once. Files are named by what can go wrong; `oracle` is what
//! both engines are held to.

mod agree;
mod algebra;
mod asynchronous;
mod bit_codes;
mod codes;
mod compare;
mod damage;
mod data;
mod devices;
mod docs;
mod engines;
mod evaluate;
mod files;
mod fit;
mod golden;
mod half;
mod input;
mod layers;
mod limits;
mod oracle;
mod original;
mod pipelines;
mod precision;
mod real_data;
mod refused;
mod search;
#[cfg(feature = "serde")]
mod serialized;
mod shapes;
mod stats;
mod values;
