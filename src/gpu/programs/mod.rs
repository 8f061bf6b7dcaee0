//! Programs: a verb's kernels as a value (a `Recipe`), and the same compiled on a device.

mod layers;
mod program;
mod recipe;
mod regions;
#[cfg(test)]
mod tests;
mod verbs;

pub(crate) use program::{Program, Programs};
#[cfg(test)]
pub(crate) use verbs::recipes;
