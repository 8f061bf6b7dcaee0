//! A device that work is sent to, shared by everything that runs on it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wgpu::{
    Adapter, AdapterInfo, Buffer, BufferDescriptor, BufferUsages, Device, DeviceDescriptor,
    DeviceType, ErrorFilter, ExperimentalFeatures, Features, MemoryHints, PipelineCache, PollType,
    Queue, SubmissionIndex,
};

use super::adapters;
use super::caps::{self, Caps};
use super::pipelines;
use super::wait::{Mode, Poller, Signal};
use crate::error::{Error, Result};

/// One adapter, device and queue. Cheap to clone; build one a process.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    link: Link,
    info: AdapterInfo,
    caps: Caps,
    pipelines: Option<PipelineCache>,
    poller: Poller,
}

/// Device and queue, which must live and go together, and the word that they are lost.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) device: Device,
    pub(super) queue: Queue,
    lost: Arc<OnceLock<String>>,
    software: bool,
}

impl Gpu {
    /// The best adapter there is, a software one last; `WGPU_BACKEND` (`vulkan`, `metal`, `dx12`)
    /// and `WGPU_ADAPTER_NAME` (part of its name) choose among several.
    ///
    /// # Errors
    /// No such adapter (the error lists what was found), or it gives no device.
    pub fn new() -> Result<Self> {
        Self::from_adapter(adapters::best()?, None)
    }

    /// The best adapter there is, if it is not a software one.
    pub(crate) fn real() -> Result<Self> {
        let adapter = adapters::best()?;
        let info = adapter.get_info();
        if info.device_type == DeviceType::Cpu {
            let wanted = "other than a software one".to_owned();
            return Err(Error::NoAdapter { wanted, found: info.name });
        }
        Self::from_adapter(adapter, None)
    }

    /// `kept`: the data of an earlier pipeline cache.
    pub(super) fn from_adapter(adapter: Adapter, kept: Option<&[u8]>) -> Result<Self> {
        let mut required_limits = adapter.limits();
        // DX12 reserves descriptors for all of them at once.
        required_limits.max_non_sampler_bindings =
            required_limits.max_non_sampler_bindings.min(10_000);
        let wanted = Features::MAPPABLE_PRIMARY_BUFFERS
            | Features::TIMESTAMP_QUERY
            | Features::PIPELINE_CACHE
            | Features::SHADER_F16
            | Features::SUBGROUP
            | Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        // SAFETY: of the experimental features only cooperative matrices are asked for, and with
        // shapes the adapter names itself.
        #[expect(unsafe_code, reason = "matrix units are several times faster")]
        let experimental_features = unsafe { ExperimentalFeatures::enabled() };
        let descriptor = DeviceDescriptor {
            label: Some("vecodec"),
            required_features: adapter.features() & wanted,
            required_limits,
            experimental_features,
            // Large blocks would only stand beside the pool's own buffers.
            memory_hints: MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::Gpu { what: "the request for a device", detail: e.to_string() })?;
        let lost = Arc::new(OnceLock::new());
        let software = adapter.get_info().device_type == DeviceType::Cpu;
        let link = Link { device, queue, lost, software };
        let word = link.lost.clone();
        link.device.set_device_lost_callback(move |reason, message| {
            let _first_word_stays = word.set(format!("{reason:?}: {message}"));
        });
        // Errors are caught in scopes; one that escapes belongs to no call, and must not panic.
        link.device.on_uncaptured_error(Arc::new(|_| {}));
        let matrix = caps::matrix_units(&adapter);
        Ok(Self::from_link(link, adapter.get_info(), matrix, kept))
    }

    /// Shares the caller's device. Its hooks for errors and loss are left alone.
    ///
    /// # Errors
    /// The device cannot run compute shaders.
    pub fn from_device(device: Device, queue: Queue) -> Result<Self> {
        let info = device.adapter_info();
        let limits = device.limits();
        if limits.max_compute_invocations_per_workgroup < 256
            || limits.max_storage_buffers_per_shader_stage < 7
        {
            let detail = format!(
                "{} allows {} invocations a workgroup and {} storage buffers a stage, and 256 \
                 and 7 are needed: request the device with wgpu's default limits",
                info.name,
                limits.max_compute_invocations_per_workgroup,
                limits.max_storage_buffers_per_shader_stage
            );
            return Err(Error::Gpu { what: "the caller's device", detail });
        }
        let software = info.device_type == DeviceType::Cpu;
        let link = Link { device, queue, lost: Arc::new(OnceLock::new()), software };
        // What matrix units there are, an adapter tells and a device does not.
        Ok(Self::from_link(link, info, None, None))
    }

    fn from_link(link: Link, info: AdapterInfo, matrix: Option<u32>, kept: Option<&[u8]>) -> Self {
        let caps = Caps::new(&link.device, &info, matrix);
        let pipelines = pipelines::cache(&link.device, kept);
        Self(Arc::new(Inner { poller: Poller::new(link.clone()), link, info, caps, pipelines }))
    }

    /// The adapter's name, backend, driver and class.
    pub fn adapter_info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// The device, for the caller's own buffers and encoders.
    pub fn device(&self) -> &Device {
        &self.0.link.device
    }

    /// The device's queue.
    pub fn queue(&self) -> &Queue {
        &self.0.link.queue
    }

    pub(super) fn pipelines(&self) -> Option<&PipelineCache> {
        self.0.pipelines.as_ref()
    }

    pub(crate) fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// Runs `work` on the device and turns the errors it raised into this crate's.
    pub(crate) fn scoped<T>(&self, what: &'static str, work: impl FnOnce() -> T) -> Result<T> {
        self.0.link.check_lost()?;
        caught(self.device(), work).or_else(|error| match error {
            wgpu::Error::OutOfMemory { source } => {
                Err(Error::OutOfMemory { detail: source.to_string() })
            }
            error => {
                self.0.link.check_lost()?;
                Err(Error::Gpu { what, detail: error.to_string() })
            }
        })
    }

    pub(super) fn buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Buffer {
        let label = Some(label);
        self.device().create_buffer(&BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A device buffer that holds these values for good.
    pub(super) fn resident(&self, label: &str, values: &[f32]) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let size = bytes.len() as u64;
        let (staging, buffer) = self.scoped("a buffer for weights", || {
            let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
            let staging = self.buffer("vecodec.weights.upload", size, usage);
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            (staging, self.buffer(label, size, usage))
        })?;
        let signal = Signal::new();
        staging.map_async(wgpu::MapMode::Write, .., signal.callback());
        pollster::block_on(self.wait(Mode::Block, None, &signal))?;
        staging
            .get_mapped_range_mut(..)
            .map_err(|e| Error::Gpu { what: "the mapping of weights", detail: e.to_string() })?
            .copy_from_slice(bytes);
        staging.unmap();
        self.scoped("the upload of weights", || {
            let mut encoder = self.device().create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&staging, 0, &buffer, 0, size);
            self.queue().submit([encoder.finish()]);
        })?;
        Ok(buffer)
    }

    /// Waits until a mapping is there: in `Mode::Block` on this thread, in `Mode::Wake` by waking
    /// the task from another. `submission` is the last one that uses the buffer.
    pub(crate) async fn wait(
        &self,
        mode: Mode,
        submission: Option<SubmissionIndex>,
        signal: &Arc<Signal>,
    ) -> Result<()> {
        match mode {
            Mode::Block => self.0.link.drive(submission, signal),
            Mode::Wake => self.0.poller.drive(submission, signal),
        }
        match signal.outcome().await {
            true => Ok(()),
            false => {
                self.0.link.check_lost()?;
                let detail = "the mapping was given up".to_owned();
                Err(Error::Gpu { what: "access to a buffer", detail })
            }
        }
    }
}

/// Runs `work` on the device, whose errors stay in here.
pub(super) fn caught<T>(device: &Device, work: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
    let scopes = [ErrorFilter::Validation, ErrorFilter::Internal, ErrorFilter::OutOfMemory]
        .map(|filter| device.push_error_scope(filter));
    let value = work();
    // The last one pushed is the first to go; on native they are ready at once.
    let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
    errors.collect::<Vec<_>>().into_iter().next().map_or(Ok(value), Err)
}

impl Link {
    fn check_lost(&self) -> Result<()> {
        match self.lost.get() {
            Some(detail) => Err(Error::DeviceLost { detail: detail.clone() }),
            None => Ok(()),
        }
    }

    /// Polls on this thread until the signal is set, or the device is lost.
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
        // Another thread may have taken the callback and not run it yet.
        while !signal.is_set_within_a_moment() {
            if self.lost.get().is_some() {
                signal.set(false);
            } else {
                self.poll(PollType::Poll);
            }
        }
    }

    /// Looks a few times before the thread is put to sleep: the system takes longer to wake it than
    /// a small batch takes on a GPU. A software adapter needs the core.
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

    /// wgpu panics, or errs, on polling a lost device.
    fn poll(&self, how: PollType) {
        let lost = |detail: String| {
            let _first_word_stays = self.lost.set(detail);
        };
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(how))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => lost(error.to_string()),
            Err(_) => lost("polling the device panicked".to_owned()),
        }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.0.info.name).finish_non_exhaustive()
    }
}
