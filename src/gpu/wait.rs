//! Waiting for the GPU: one signal a mapping, set by its callback, awaited by blocking or by
//! waking a task.

use std::future::poll_fn;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use wgpu::{BufferAsyncError, SubmissionIndex};

use super::context::Link;

/// Who drives the device while a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The calling thread, which blocks: the future is ready when first polled.
    Block,
    /// The device's polling thread, which wakes the task.
    Wake,
}

/// Whether a mapping has come about.
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
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What to hand to `map_async`.
    pub(crate) fn callback(self: &Arc<Self>) -> impl FnOnce(Result<(), BufferAsyncError>) + use<> {
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

    pub(super) fn is_set(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Waits a millisecond at most; usually the signal is set already.
    pub(super) fn is_set_within_a_moment(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(1);
        let unset = |state: &mut State| state.outcome.is_none();
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), MOMENT, unset)
            .unwrap_or_else(PoisonError::into_inner);
        state.outcome.is_some()
    }

    /// The outcome, as soon as there is one.
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

/// A thread that polls the device for tasks which must not block: begun by the first of them,
/// asleep while there are none, ended with the `Gpu`.
pub(super) struct Poller {
    link: Link,
    requests: OnceLock<Sender<Request>>,
}

struct Request {
    submission: Option<SubmissionIndex>,
    signal: Arc<Signal>,
}

impl Poller {
    pub(super) fn new(link: Link) -> Self {
        Self { link, requests: OnceLock::new() }
    }

    /// Has the signal set by the polling thread.
    pub(super) fn drive(&self, submission: Option<SubmissionIndex>, signal: &Arc<Signal>) {
        let requests = self.requests.get_or_init(|| {
            let (sender, requests) = channel::<Request>();
            let link = self.link.clone();
            let work = move || requests.iter().for_each(|r| link.drive(r.submission, &r.signal));
            // Without a thread the receiver is dropped, and the call below falls back.
            let _handle = thread::Builder::new().name("vecodec-poll".into()).spawn(work);
            sender
        });
        let request = Request { submission, signal: signal.clone() };
        if let Err(refused) = requests.send(request) {
            self.link.drive(refused.0.submission, signal);
        }
    }
}
