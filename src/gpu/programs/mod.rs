//! Programs: a verb's kernels as a value (a `Recipe`), and the same compiled on a device.

mod layers;
mod program;
mod recipe;
mod regions;
mod verbs;

pub(crate) use program::{Program, Programs, compile, upload};
#[cfg(test)]
pub(crate) use recipe::{Recipe, Recipes};
#[cfg(test)]
pub(crate) use verbs::recipes;
