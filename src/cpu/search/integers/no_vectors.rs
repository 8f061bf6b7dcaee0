//! Machines of another architecture than those of AVX2 and NEON.

use super::vectors::WithVectors;

/// Runs nothing: no such machine is known to have the vectors.
pub(super) fn with_vectors(_: impl WithVectors) -> bool {
    false
}

/// There are no vectors to multiply with.
pub(super) fn dots_are_fast(_: bool) -> bool {
    false
}
