//! How a call waits for an engine.

/// Whether a call blocks its thread or gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitMode {
    /// The calling thread blocks: the future is ready when it is first polled.
    Blocking,
    /// Another thread does the work or polls the device, and wakes the task.
    Async,
}
