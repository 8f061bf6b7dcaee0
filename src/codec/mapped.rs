//! Decoded rows that are not copied out, one chunk after another.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::chunks::Chunks;
use super::mapped_rows::MappedRows;
use crate::error::Result;

/// An iterator over decoded rows in mapped memory, chunk by chunk. Each step blocks until the chunk
/// is there.
///
/// Made by [`Codec::decode_mapped`](crate::Codec::decode_mapped).
#[must_use = "nothing is decoded until the iterator is advanced"]
pub struct MappedChunks<'a>(pub(super) Chunks<'a, f32>);

impl fmt::Debug for MappedChunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedChunks").field("next_rows", &self.0.next_rows()).finish()
    }
}

impl fmt::Debug for MappedStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedStream").finish_non_exhaustive()
    }
}

impl Iterator for MappedChunks<'_> {
    type Item = Result<MappedRows>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = pollster::block_on(self.0.next())?;
        Some(chunk.and_then(|chunk| chunk.into_mapped()))
    }
}

/// A [`Stream`] of decoded rows in mapped memory, chunk by chunk, for tasks that must not block.
///
/// Made by [`Codec::decode_mapped_async`](crate::Codec::decode_mapped_async).
#[must_use = "nothing is decoded until the stream is polled"]
pub struct MappedStream<'a>(State<'a>);

type Step<'a> = (Chunks<'a, f32>, Option<Result<MappedRows>>);

enum State<'a> {
    Idle(Chunks<'a, f32>),
    /// Waits for the next rows. The chunks are returned together with the rows.
    Waiting(Pin<Box<dyn Future<Output = Step<'a>> + Send + 'a>>),
    Ended,
}

impl<'a> MappedStream<'a> {
    pub(super) fn new(chunks: Chunks<'a, f32>) -> Self {
        Self(State::Idle(chunks))
    }

    /// The next rows, or none after the last.
    ///
    /// # Errors
    /// Loss of the GPU, or its memory is full of held views; the stream then ends.
    pub async fn next(&mut self) -> Option<Result<MappedRows>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for MappedStream<'_> {
    type Item = Result<MappedRows>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.0, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(mut chunks) => {
                    self.0 = State::Waiting(Box::pin(async move {
                        let chunk = chunks.next().await;
                        (chunks, chunk.map(|chunk| chunk.and_then(|chunk| chunk.into_mapped())))
                    }));
                }
                State::Waiting(mut step) => {
                    let Poll::Ready((chunks, rows)) = step.as_mut().poll(context) else {
                        self.0 = State::Waiting(step);
                        return Poll::Pending;
                    };
                    if matches!(rows, Some(Ok(_))) {
                        self.0 = State::Idle(chunks);
                    }
                    return Poll::Ready(rows);
                }
            }
        }
    }
}
