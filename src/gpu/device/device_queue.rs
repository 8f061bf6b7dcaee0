//! A device with its queue: its errors, its loss, and polling it.

use std::ops::RangeTo;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Device, ErrorFilter, MapMode, PollType, Queue,
    SubmissionIndex,
};

use super::signal::Signal;
use crate::error::{Error, Result};

/// Device and queue, which are of no use without each other, and whether the device is lost.
/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct DeviceQueue {
    pub(super) device: Device,
    pub(super) queue: Queue,
    lost: Arc<OnceLock<String>>,
    software: bool,
}

impl DeviceQueue {
    pub(super) fn new(device: Device, queue: Queue, software: bool) -> Self {
        Self { device, queue, lost: Arc::default(), software }
    }

    /// Takes the device's one callback for its loss. Only for devices of this crate's own.
    pub(super) fn watch_for_loss(&self) {
        let lost = self.lost.clone();
        self.device.set_device_lost_callback(move |reason, message| {
            let _first_reason_stays = lost.set(format!("{reason:?}: {message}"));
        });
    }

    pub(super) fn check_lost(&self) -> Result<()> {
        match self.lost.get() {
            Some(detail) => Err(Error::DeviceLost { detail: detail.clone() }),
            None => Ok(()),
        }
    }

    /// Whether the device is lost, as far as a poll can tell.
    pub(super) fn is_lost(&self) -> bool {
        self.poll(PollType::Poll);
        self.lost.get().is_some()
    }

    /// Runs `work` on the device and turns the errors that it raises into this crate's. `what`
    /// names the work in an error.
    ///
    /// Everything this crate asks of a device goes through here, so that no error of ours reaches
    /// the handler for uncaptured errors. That handler is the caller's.
    pub(crate) fn with_error_scopes<T>(
        &self,
        what: &'static str,
        work: impl FnOnce() -> T,
    ) -> Result<T> {
        self.check_lost()?;
        with_error_scopes(&self.device, work).or_else(|error| match error {
            wgpu::Error::OutOfMemory { source } => {
                Err(Error::OutOfMemory { detail: source.to_string() })
            }
            error => {
                // wgpu reports the loss only at a later poll.
                self.is_lost();
                self.check_lost()?;
                Err(Error::Gpu { what, detail: error.to_string() })
            }
        })
    }

    /// Creates a buffer. Call it inside [`with_error_scopes`](Self::with_error_scopes).
    pub(crate) fn buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Asks for the first bytes of a buffer to be mapped. The signal is set when the mapping ends,
    /// and also when the request is refused.
    pub(crate) fn map(&self, buffer: &Buffer, mode: MapMode, range: RangeTo<u64>) -> Arc<Signal> {
        let signal = Signal::new();
        let refused = with_validation_scope(&self.device, || {
            buffer.map_async(mode, range, signal.callback());
        });
        if refused.is_some() {
            signal.set(false);
        }
        signal
    }

    /// Unmaps a buffer, or withdraws the request to map it. On a lost device there is nothing to
    /// unmap, and that is no error.
    pub(crate) fn unmap(&self, buffer: &Buffer) {
        let _nothing_to_unmap = with_validation_scope(&self.device, || buffer.unmap());
    }

    /// Polls on this thread until the signal is set or the device is lost.
    pub(super) fn drive(&self, submission: Option<SubmissionIndex>, signal: &Signal) {
        self.spin(signal);
        if signal.is_set() {
            return;
        }
        match submission {
            // Never with a timeout: wgpu 30.0.1 can panic there when several threads poll.
            Some(index) => {
                self.poll(PollType::Wait { submission_index: Some(index), timeout: None })
            }
            None => self.poll(PollType::Poll),
        }
        // Another thread may have taken the callback without having run it yet.
        while !signal.is_set_within_a_moment() {
            if self.lost.get().is_some() {
                signal.set(false);
            } else {
                self.poll(PollType::Poll);
            }
        }
    }

    /// Polls for a short while before the thread sleeps: the system takes longer to wake a thread
    /// than a GPU takes for a small batch. A software adapter needs the core for itself.
    fn spin(&self, signal: &Signal) {
        const SPIN: Duration = Duration::from_micros(200);
        if self.software {
            return;
        }
        let start = Instant::now();
        while !signal.is_set() && start.elapsed() < SPIN {
            self.poll(PollType::Poll);
        }
    }

    /// Polls once. wgpu panics or fails when the device is lost.
    fn poll(&self, how: PollType) {
        let lost = |detail: String| {
            let _first_reason_stays = self.lost.set(detail);
        };
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(how))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => lost(error.to_string()),
            Err(_) => lost("polling the device panicked".to_owned()),
        }
    }
}

/// Runs `work`, which can raise nothing but validation errors, and returns the first one. One scope
/// instead of three: mapping and unmapping happen for every chunk.
fn with_validation_scope(device: &Device, work: impl FnOnce()) -> Option<wgpu::Error> {
    let scope = device.push_error_scope(ErrorFilter::Validation);
    work();
    pollster::block_on(scope.pop())
}

/// Runs `work` inside error scopes on this thread and returns the first error that it raised.
pub(super) fn with_error_scopes<T>(
    device: &Device,
    work: impl FnOnce() -> T,
) -> Result<T, wgpu::Error> {
    let scopes = [ErrorFilter::Validation, ErrorFilter::Internal, ErrorFilter::OutOfMemory]
        .map(|filter| device.push_error_scope(filter));
    let value = work();
    // Scopes are popped in reverse order. Natively their futures are ready at once.
    let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
    errors.collect::<Vec<_>>().into_iter().next().map_or(Ok(value), Err)
}
