//! How the CPU engine divides a batch, and its work for tasks.

use std::ops::Range;
use std::pin::Pin;

use crate::error::Result;

/// Bytes of rows that the CPU engine works on at a time where it does not write into the caller's
/// memory.
const BLOCK_BYTES: usize = 8 << 20;

/// Results that the pool computes.
pub(super) type Job<R> = Pin<Box<dyn Future<Output = Result<R>> + Send>>;
/// Begins to compute some rows on the pool.
pub(super) type Spawn<'a, R> = Box<dyn Fn(Range<usize>) -> Job<R> + Send + Sync + 'a>;

/// Rows still to come, and how many make a chunk.
pub(super) struct Blocks {
    pub(super) rest: Range<usize>,
    pub(super) chunk_rows: usize,
}

impl Blocks {
    pub(super) fn of_bytes(rows: usize, row_bytes: usize) -> Self {
        Self { rest: 0..rows, chunk_rows: (BLOCK_BYTES / row_bytes).max(1) }
    }

    pub(super) fn next_rows(&self) -> usize {
        self.rest.len().min(self.chunk_rows)
    }

    pub(super) fn take(&mut self) -> Option<Range<usize>> {
        let range = self.rest.start..self.rest.start + self.next_rows();
        self.rest.start = range.end;
        (!range.is_empty()).then_some(range)
    }

    pub(super) fn end(&mut self) {
        self.rest.start = self.rest.end;
    }
}
