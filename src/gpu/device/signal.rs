//! The outcome of one mapping: set by its callback, awaited by blocking or by a task.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use wgpu::BufferAsyncError;

/// Whether a mapping succeeded, as soon as that is known.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<bool>,
    waker: Option<Waker>,
}

impl Signal {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The callback to pass to `map_async`.
    pub(super) fn callback(self: &Arc<Self>) -> impl FnOnce(Result<(), BufferAsyncError>) + use<> {
        let signal = self.clone();
        move |result| signal.set(result.is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the outcome, if there is none yet.
    pub(super) fn set(&self, outcome: bool) {
        let mut state = self.lock();
        state.outcome.get_or_insert(outcome);
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Waits at most a millisecond. Usually the signal is set already.
    pub(super) fn is_set_within_a_moment(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(1);
        let unset = |state: &mut State| state.outcome.is_none();
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), MOMENT, unset)
            .unwrap_or_else(PoisonError::into_inner);
        state.outcome.is_some()
    }

    /// Waits for the outcome without blocking the thread.
    pub(super) async fn outcome(&self) -> bool {
        poll_fn(|context| {
            let mut state = self.lock();
            match state.outcome {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
