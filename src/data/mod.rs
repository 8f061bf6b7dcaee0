//! Data files of other programs: rows of numbers, read as `f32`, block by block.
//!
//! Fits read their rows here, and so does the program. What is public serves the program and is no promise.

mod bins;
mod cells;
mod format;
mod input;
mod layout;
mod literal;
mod npy;
mod npz;
mod reader;
mod tensors;
mod vecs;

pub use cells::{Cells, Kind};
pub use format::Format;
pub use input::{STDIN, is_pipe};
pub use layout::blocks;
pub use reader::{DataReader, Sample};
pub use tensors::kind_of;

pub use crate::sample::random_rows;
