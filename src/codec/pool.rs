//! Work for tasks on the thread pool.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use futures_channel::oneshot;

/// Runs `work` on the pool. The returned future computes nothing when it is polled: the pool wakes
/// its task. Dropping the future lets the work end and drops its result. A panic in `work` is resumed
/// in the task.
///
/// Called on a thread of the pool, it runs `work` at once: a pool thread that blocked on the future
/// would wait for itself.
pub(crate) fn on_pool<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = R> + Send {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        // A receiver that is gone wants no result.
        let _unwanted = sender.send(result);
    };
    match rayon::current_thread_index() {
        Some(_) => run(),
        None => rayon::spawn(run),
    }
    async move {
        match receiver.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(oneshot::Canceled) => unreachable!("the work sends its result, even a panic"),
        }
    }
}
