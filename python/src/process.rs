//! Threads, signals and forks.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use vecodec::CancelToken;

/// How long Ctrl-C may go unnoticed while another thread works.
const POLL: Duration = Duration::from_millis(50);

/// The process that first called a verb, which has the library's threads. 0 before that.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Fails in a process that was forked from one whose threads it lacks: it would wait for them for ever.
fn check_process() -> PyResult<()> {
    let own = process::id();
    match OWNER.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != own => Err(PyRuntimeError::new_err(format!(
            "process {own} was forked from process {owner} after that had used vecodec, whose threads it lacks: \
             start processes with multiprocessing.get_context(\"spawn\"), or fork before the first call"
        ))),
        _ => Ok(()),
    }
}

/// Runs `work` without the interpreter.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    check_process()?;
    Ok(py.detach(work))
}

/// Runs `work` on a thread of its own, and cancels it at Ctrl-C.
pub(crate) fn cancellable<T: Send>(
    py: Python<'_>,
    cancel: &CancelToken,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    check_process()?;
    let wait = || {
        thread::scope(|scope| {
            let (sender, receiver) = channel();
            let worker = scope.spawn(move || {
                let result = work();
                // The receiver waits for it.
                let _ = sender.send(());
                result
            });
            let mut raised = None;
            while let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(POLL) {
                if raised.is_none()
                    && let Err(error) = Python::attach(|py| py.check_signals())
                {
                    cancel.cancel();
                    raised = Some(error);
                }
            }
            let result = worker.join();
            match raised {
                Some(error) => Err(error),
                None => Ok(result),
            }
        })
    };
    match py.detach(wait)? {
        Ok(result) => Ok(result),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
