//! A thread that polls the device for tasks, which must not block.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use wgpu::SubmissionIndex;

use super::device_queue::DeviceQueue;
use super::signal::Signal;

/// Polls the device for tasks. The first task starts the thread, which sleeps while there are
/// none and ends with the `Gpu`.
pub(super) struct Poller {
    device_queue: DeviceQueue,
    requests: OnceLock<Sender<Request>>,
}

struct Request {
    submission: Option<SubmissionIndex>,
    signal: Arc<Signal>,
}

impl Poller {
    pub(super) fn new(device_queue: DeviceQueue) -> Self {
        Self { device_queue, requests: OnceLock::new() }
    }

    /// Has the polling thread set the signal.
    pub(super) fn drive(&self, submission: Option<SubmissionIndex>, signal: &Arc<Signal>) {
        let requests = self.requests.get_or_init(|| {
            let (sender, requests) = channel::<Request>();
            let device_queue = self.device_queue.clone();
            let work = move || {
                requests.iter().for_each(|r| device_queue.drive(r.submission, &r.signal));
            };
            // Without a thread the receiver is dropped, and the call below polls here instead.
            let _handle = thread::Builder::new().name("vecodec-poll".into()).spawn(work);
            sender
        });
        let request = Request { submission, signal: signal.clone() };
        if let Err(refused) = requests.send(request) {
            self.device_queue.drive(refused.0.submission, signal);
        }
    }
}
