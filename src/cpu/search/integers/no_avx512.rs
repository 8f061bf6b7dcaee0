//! Machines of another architecture than that of AVX-512.

use std::convert::Infallible;

use super::blocks::{Block, Lanes, Vectors};
use super::padded::ROWS;

/// No such machine has the instructions.
pub(super) fn avx512() -> Option<Infallible> {
    None
}

impl Vectors for Infallible {
    fn unpack(self, _: &Block, _: &[u8], _: &[[usize; 4]], _: &mut [Lanes], _: usize) {
        match self {}
    }

    fn unpacked_sums(
        self,
        _: &[Block],
        _: &[u8],
        _: &[[usize; 4]],
        _: &[[Lanes; 2]],
    ) -> [i32; ROWS] {
        match self {}
    }

    fn sums(self, _: &[Lanes], _: usize, _: &[[Lanes; 2]]) -> [i32; ROWS] {
        match self {}
    }
}
