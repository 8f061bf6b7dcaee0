//! Divides a batch into blocks for the CPU engine, and computes blocks for tasks on the pool.

use std::ops::Range;
use std::pin::Pin;

use crate::error::Result;

/// What a caller does with decoded chunks, which decides their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Copies them. Small chunks fit the host's caches.
    Copied,
    /// Views them in place. Large chunks are faster to transfer.
    Viewed,
}

/// Bytes of rows that the CPU engine works on at a time where it does not write into the caller's
/// memory.
pub(super) const BLOCK_BYTES: usize = 8 << 20;

/// The same for tasks. The thread that polls a task copies two blocks of rows in the first poll, and
/// must not be kept for long.
pub(super) const TASK_BLOCK_BYTES: usize = 2 << 20;

/// Bytes of rows that are held at a time where a batch is decoded only to be used up.
pub(super) const PART_BYTES: usize = 64 << 20;

/// Results that the pool computes.
pub(super) type Job<R> = Pin<Box<dyn Future<Output = Result<R>> + Send>>;
/// Begins to compute some rows on the pool.
type Spawn<'a, R> = Box<dyn Fn(Range<usize>) -> Job<R> + Send + Sync + 'a>;

/// The rows that are not taken yet, and the rows per block.
pub(super) struct Blocks {
    pub(super) rest: Range<usize>,
    pub(super) chunk_rows: usize,
}

impl Blocks {
    /// Blocks of at most so many bytes, and of one row at least.
    pub(super) fn of_bytes(rows: usize, row_bytes: usize, block_bytes: usize) -> Self {
        Self { rest: 0..rows, chunk_rows: (block_bytes / row_bytes).max(1) }
    }

    pub(super) fn next_rows(&self) -> usize {
        self.rest.len().min(self.chunk_rows)
    }

    pub(super) fn take(&mut self) -> Option<Range<usize>> {
        let range = self.rest.start..self.rest.start + self.next_rows();
        self.rest.start = range.end;
        (!range.is_empty()).then_some(range)
    }

    fn end(&mut self) {
        self.rest.start = self.rest.end;
    }
}

/// Jobs on the pool, in order. One runs ahead while the results of the one before are used.
pub(super) struct PoolJobs<'a, R> {
    blocks: Blocks,
    spawn: Spawn<'a, R>,
    ahead: Option<(Range<usize>, Job<R>)>,
}

impl<'a, R> PoolJobs<'a, R> {
    pub(super) fn new(
        blocks: Blocks,
        spawn: impl Fn(Range<usize>) -> Job<R> + Send + Sync + 'a,
    ) -> Self {
        Self { blocks, spawn: Box::new(spawn), ahead: None }
    }

    /// Begins the next job, if none has begun.
    pub(super) fn start(&mut self) {
        if self.ahead.is_none() {
            let rows = self.blocks.take();
            self.ahead = rows.map(|rows| (rows.clone(), (self.spawn)(rows)));
        }
    }

    /// Rows of the next results, zero after the last.
    pub(super) fn next_rows(&self) -> usize {
        self.ahead.as_ref().map_or_else(|| self.blocks.next_rows(), |(rows, _)| rows.len())
    }

    /// The next rows and their results; none after the last rows or after an error. An error counts
    /// rows from the begin of the whole batch.
    pub(super) async fn next(&mut self) -> Option<Result<(Range<usize>, R)>> {
        self.start();
        let (rows, job) = self.ahead.take()?;
        // Free pool threads begin the next job meanwhile.
        self.start();
        match job.await {
            Ok(results) => Some(Ok((rows, results))),
            Err(error) => {
                self.blocks.end();
                self.ahead = None;
                Some(Err(error.with_row_offset(rows.start)))
            }
        }
    }
}
