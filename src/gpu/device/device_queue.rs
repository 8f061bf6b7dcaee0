//! A device with its queue: its errors, its loss, and polling it.

use std::ops::RangeTo;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Device, ErrorFilter, MapMode, MapRangeError, PollType,
    Queue, SubmissionIndex,
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
    /// Views of mapped memory that are held.
    views: Arc<AtomicUsize>,
    software: bool,
}

impl DeviceQueue {
    pub(super) fn new(device: Device, queue: Queue, software: bool) -> Self {
        Self { device, queue, lost: Arc::default(), views: Arc::default(), software }
    }

    /// Takes the device's one callback for its loss, for the driver's reason. Only for devices of
    /// this crate's own, and even there a caller may take it back.
    pub(super) fn watch_for_loss(&self) {
        let lost = self.lost.clone();
        self.device.set_device_lost_callback(move |reason, message| {
            let _first_reason_stays = lost.set(format!("{reason:?}: {message}"));
        });
    }

    /// Fails if the device is known to be lost.
    pub(crate) fn check_lost(&self) -> Result<()> {
        match self.lost.get() {
            Some(detail) => Err(Error::DeviceLost { detail: detail.clone() }),
            None => Ok(()),
        }
    }

    /// Fails if the device is lost, known or not. Called where something else failed, because it
    /// creates a buffer.
    pub(crate) fn find_loss(&self) -> Result<()> {
        self.check_lost()?;
        self.probe();
        self.check_lost()
    }

    /// Notes the loss of a device that makes no buffers.
    fn probe(&self) {
        if self.makes_buffers() {
            return;
        }
        // The poll may run the callback, which knows the reason.
        self.free_dropped();
        self.set_lost("the device makes no buffers");
    }

    fn set_lost(&self, detail: &str) {
        let _first_reason_stays = self.lost.set(detail.to_owned());
    }

    /// Whether the device makes buffers that can be mapped.
    ///
    /// wgpu reports a loss to the device's one callback and nowhere else. What a lost device creates
    /// is invalid without an error, and the first use of it is an error of validation.
    fn makes_buffers(&self) -> bool {
        let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let made = with_error_scopes(&self.device, || self.buffer("vecodec.probe", 4, usage));
        // An error, such as too little memory, comes from a device that is there.
        let Ok(buffer) = made else { return true };
        let map = || buffer.map_async(MapMode::Write, .., |_| {});
        with_validation_scope(&self.device, map).is_none()
    }

    /// Counts a view of mapped memory until the guard is dropped.
    ///
    /// wgpu 30.0.1 frees the memory of all buffers when it finds in a poll that the device is lost,
    /// even memory that is viewed. While there are views, this crate therefore asks whether the
    /// device is there before it polls, and never polls a lost device.
    pub(crate) fn hold_view(&self) -> ViewGuard {
        self.views.fetch_add(1, Ordering::SeqCst);
        ViewGuard(self.views.clone())
    }

    fn has_views(&self) -> bool {
        self.views.load(Ordering::SeqCst) > 0
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
                Err(Error::OutOfMemory { required: 0, held: 0, detail: source.to_string() })
            }
            error => {
                self.find_loss()?;
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

    /// The error of memory that was mapped and is not any more: after a loss, the loss.
    pub(crate) fn unmapped(&self, what: &'static str, error: &MapRangeError) -> Error {
        let detail = error.to_string();
        self.find_loss().err().unwrap_or(Error::Gpu { what, detail })
    }

    /// Polls on this thread until the signal is set or the device is lost.
    pub(super) fn drive(&self, submission: Option<SubmissionIndex>, signal: &Signal) {
        if self.has_views() && !signal.is_set() {
            self.probe();
        }
        if self.lost.get().is_some() {
            return signal.set(false);
        }
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
        // Another thread may have taken the callback without having run it yet. The callback of a
        // caller's device may never come when that device is lost.
        const MOMENTS: usize = 100;
        for moment in 1.. {
            if signal.is_set_within_a_moment() {
                return;
            }
            if moment % MOMENTS == 0 {
                self.probe();
            }
            if self.lost.get().is_some() {
                return signal.set(false);
            }
            self.poll(PollType::Poll);
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

    /// Polls once, unless the device is lost. wgpu panics or fails when it finds the loss.
    fn poll(&self, how: PollType) {
        if self.lost.get().is_some() {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(how))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.set_lost(&error.to_string()),
            Err(_) => self.set_lost("polling the device panicked"),
        }
    }

    /// Polls once, unless a view is held. The poll frees what was dropped, and runs callbacks.
    pub(crate) fn free_dropped(&self) {
        if !self.has_views() {
            self.poll(PollType::Poll);
        }
    }

    /// Whether work that the queue was given is reported by the device.
    pub(super) fn belong_together(&self) -> bool {
        let signal = Signal::new();
        self.queue.submit([]);
        let done = signal.clone();
        self.queue.on_submitted_work_done(move || done.set(true));
        // Another thread that polls may hold the callback for a moment.
        (0..100).any(|_| {
            self.poll(PollType::Poll);
            signal.is_set_within_a_moment()
        })
    }
}

/// A view that is counted; see [`DeviceQueue::hold_view`].
pub(crate) struct ViewGuard(Arc<AtomicUsize>);

impl Drop for ViewGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
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
