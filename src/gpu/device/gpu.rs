//! The public handle of a device.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wgpu::util::pipeline_cache_key;
use wgpu::{
    Adapter, AdapterInfo, Buffer, BufferUsages, Device, DeviceDescriptor, DeviceType,
    ExperimentalFeatures, Features, MapMode, MemoryHints, PipelineCache, Queue, SubmissionIndex,
};

use super::adapters;
use super::caps::{self, Caps};
use super::device_queue::DeviceQueue;
use super::pipeline_cache::{self, TrustedData};
use super::poller::Poller;
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::wait::WaitMode;

/// One adapter, device and queue. Cheap to clone; build one per process.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    device_queue: DeviceQueue,
    info: AdapterInfo,
    caps: Caps,
    pipeline_cache: Option<PipelineCache>,
    poller: Poller,
}

/// The device of [`Gpu::automatic`], for as long as somebody holds it.
static AUTOMATIC: Mutex<Weak<Inner>> = Mutex::new(Weak::new());

impl Gpu {
    /// Opens a device of its own on the best adapter, a software adapter last. `WGPU_BACKEND`
    /// (`vulkan`, `metal`, `dx12`) and `WGPU_ADAPTER_NAME` (part of a name) choose among several.
    ///
    /// # Errors
    /// There is no such adapter (the error lists what was found), or it gives no device.
    pub fn new() -> Result<Self> {
        pollster::block_on(Self::new_async())
    }

    /// [`new`](Self::new) as a future.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub async fn new_async() -> Result<Self> {
        Self::from_adapter(adapters::best().await?, None).await
    }

    /// The process's shared device on the best adapter that is not a software one. It lives for as
    /// long as somebody holds it, and a lost device is never handed out again.
    pub(crate) fn automatic() -> Result<Self> {
        shared(&AUTOMATIC, || {
            let adapter = pollster::block_on(adapters::best())?;
            let info = adapter.get_info();
            if info.device_type == DeviceType::Cpu {
                let wanted = "other than a software one".to_owned();
                return Err(Error::NoAdapter { wanted, found: info.name });
            }
            pollster::block_on(Self::from_adapter(adapter, None))
        })
    }

    /// Opens a device as [`new`](Self::new) does, with the compiled pipelines that
    /// [`save_pipeline_cache`](Self::save_pipeline_cache) kept at `path`. A file that is missing,
    /// damaged, or of another adapter or driver is ignored, and pipelines are compiled.
    ///
    /// Most drivers keep a cache of their own in the user's home. This one is for where that does
    /// not last, as in a container: on an H200 a codec is built in 0.03 s with it, and in 0.9 s
    /// without either.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the file cannot be read, or is not a pipeline cache.
    ///
    /// # Safety
    /// The file at `path` must not exist, or must be as `save_pipeline_cache` wrote it. The driver
    /// may run its contents as machine code, and neither wgpu nor this crate can check them: the
    /// checksum in the file finds accidents, not forgeries. Keep the file where nobody else can
    /// write.
    #[expect(unsafe_code, reason = "the driver trusts a file")]
    pub unsafe fn with_pipeline_cache(path: impl AsRef<Path>) -> Result<Self> {
        let adapter = pollster::block_on(adapters::best())?;
        let data = pipeline_cache::read(path.as_ref(), pipeline_cache_key(&adapter.get_info()))?;
        // SAFETY: the caller promises that the driver wrote what the file holds.
        let data = data.map(|data| unsafe { TrustedData::new(data) });
        pollster::block_on(Self::from_adapter(adapter, data))
    }

    /// Writes the compiled pipelines of the codecs built on this device so far to `path`, replacing
    /// the file. Returns whether there is such a cache: on Vulkan there is, and on a caller's device
    /// if `Features::PIPELINE_CACHE` was asked for.
    ///
    /// # Errors
    /// The file cannot be written, or the driver returned no data.
    pub fn save_pipeline_cache(&self, path: impl AsRef<Path>) -> Result<bool> {
        let key = pipeline_cache_key(self.adapter_info());
        let Some((cache, key)) = self.pipeline_cache().zip(key) else { return Ok(false) };
        let Some(data) = cache.get_data() else {
            let detail = "the driver returned no pipeline cache data".to_owned();
            return Err(Error::Gpu { what: "saving the pipeline cache", detail });
        };
        pipeline_cache::write(path.as_ref(), &key, &data)?;
        Ok(true)
    }

    async fn from_adapter(adapter: Adapter, cached: Option<TrustedData>) -> Result<Self> {
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
        // SAFETY: the only experimental feature asked for is cooperative matrices, and
        // `caps::cooperative_matrices` takes only shapes that the adapter itself lists.
        #[expect(unsafe_code, reason = "cooperative matrices are several times faster")]
        let experimental_features = unsafe { ExperimentalFeatures::enabled() };
        let descriptor = DeviceDescriptor {
            label: Some("vecodec"),
            required_features: adapter.features() & wanted,
            required_limits,
            experimental_features,
            // The pool recycles large buffers itself: large blocks would only cost memory.
            memory_hints: MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::Gpu { what: "the request for a device", detail: e.to_string() })?;
        let info = adapter.get_info();
        let device_queue = DeviceQueue::new(device, queue, info.device_type == DeviceType::Cpu);
        device_queue.watch_for_loss();
        let coop_side = caps::cooperative_matrices(&adapter);
        Ok(Self::from_device_queue(device_queue, info, coop_side, cached.as_ref()))
    }

    /// Shares the caller's device, whose handlers for errors and for loss stay the caller's.
    ///
    /// # Errors
    /// The device cannot run the compute shaders of this crate.
    pub fn from_device(device: Device, queue: Queue) -> Result<Self> {
        let info = device.adapter_info();
        let limits = device.limits();
        if limits.max_compute_invocations_per_workgroup < 256
            || limits.max_storage_buffers_per_shader_stage < 7
        {
            let detail = format!(
                "{} allows {} invocations per workgroup and {} storage buffers per stage, and 256 \
                 and 7 are needed: request the device with wgpu's default limits",
                info.name,
                limits.max_compute_invocations_per_workgroup,
                limits.max_storage_buffers_per_shader_stage
            );
            return Err(Error::Gpu { what: "the caller's device", detail });
        }
        let software = info.device_type == DeviceType::Cpu;
        let device_queue = DeviceQueue::new(device, queue, software);
        // Only an adapter can tell the shapes of cooperative matrices; a device cannot.
        Ok(Self::from_device_queue(device_queue, info, None, None))
    }

    fn from_device_queue(
        device_queue: DeviceQueue,
        info: AdapterInfo,
        coop_side: Option<u32>,
        cached: Option<&TrustedData>,
    ) -> Self {
        let caps = Caps::new(&device_queue.device, &info, coop_side);
        let pipeline_cache = pipeline_cache::create(&device_queue.device, cached);
        let poller = Poller::new(device_queue.clone());
        Self(Arc::new(Inner { device_queue, info, caps, pipeline_cache, poller }))
    }

    /// The adapter's name, backend, driver and class.
    pub fn adapter_info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// The device, for the caller's own buffers and encoders. Errors of the caller's own work reach
    /// the handler that the caller sets with `Device::on_uncaptured_error`; without one, wgpu
    /// panics.
    pub fn device(&self) -> &Device {
        &self.0.device_queue.device
    }

    /// The device's queue.
    pub fn queue(&self) -> &Queue {
        &self.0.device_queue.queue
    }

    pub(crate) fn device_queue(&self) -> &DeviceQueue {
        &self.0.device_queue
    }

    pub(crate) fn pipeline_cache(&self) -> Option<&PipelineCache> {
        self.0.pipeline_cache.as_ref()
    }

    pub(crate) fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// As [`DeviceQueue::with_error_scopes`].
    pub(crate) fn with_error_scopes<T>(
        &self,
        what: &'static str,
        work: impl FnOnce() -> T,
    ) -> Result<T> {
        self.0.device_queue.with_error_scopes(what, work)
    }

    /// Creates a device buffer and uploads `bytes` into it. A recipe has checked their number.
    pub(crate) fn resident(&self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        let (size, gpu) = (bytes.len() as u64, &self.0.device_queue);
        let (staging, buffer) = self.with_error_scopes("a buffer for weights", || {
            let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
            let staging = gpu.buffer("vecodec.weights.upload", size, usage);
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            (staging, gpu.buffer(label, size, usage))
        })?;
        let signal = gpu.map(&staging, MapMode::Write, ..size);
        pollster::block_on(self.wait(WaitMode::Blocking, None, &signal))?;
        staging
            .get_mapped_range_mut(..)
            .map_err(|e| Error::Gpu { what: "the mapping of weights", detail: e.to_string() })?
            .copy_from_slice(bytes);
        gpu.unmap(&staging);
        self.with_error_scopes("the upload of weights", || {
            let mut encoder = self.device().create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&staging, 0, &buffer, 0, size);
            self.queue().submit([encoder.finish()]);
        })?;
        Ok(buffer)
    }

    /// Waits for a mapping. `submission` is the last one that uses the buffer.
    pub(crate) async fn wait(
        &self,
        mode: WaitMode,
        submission: Option<SubmissionIndex>,
        signal: &Arc<Signal>,
    ) -> Result<()> {
        match mode {
            WaitMode::Blocking => self.0.device_queue.drive(submission, signal),
            WaitMode::Async => self.0.poller.drive(submission, signal),
        }
        match signal.outcome().await {
            true => Ok(()),
            false => {
                self.0.device_queue.check_lost()?;
                let detail = "the mapping was aborted".to_owned();
                Err(Error::Gpu { what: "the mapping of a buffer", detail })
            }
        }
    }
}

/// The device that `cell` remembers, if somebody still holds it and it is not lost; else a new one,
/// which `cell` then remembers.
fn shared(cell: &Mutex<Weak<Inner>>, open: impl FnOnce() -> Result<Gpu>) -> Result<Gpu> {
    // The guarded value is assigned in one step: under a poisoned lock it is still consistent.
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(inner) = cell.upgrade()
        && !inner.device_queue.is_lost()
    {
        return Ok(Gpu(inner));
    }
    let gpu = open()?;
    *cell = Arc::downgrade(&gpu.0);
    Ok(gpu)
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.0.info.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
    fn a_shared_device_lives_while_it_is_held_and_not_lost() {
        let cell = Mutex::new(Weak::new());
        let device = || shared(&cell, Gpu::new).unwrap();
        let same = |a: &Gpu, b: &Gpu| Arc::ptr_eq(&a.0, &b.0);
        let first = device();
        assert!(same(&first, &device()), "two devices at a time");
        let weak = Arc::downgrade(&first.0);
        drop(first);
        assert!(weak.upgrade().is_none(), "nobody holds it");
        let second = device();
        second.device().destroy();
        let third = device();
        assert!(!same(&second, &third), "a lost device was handed out again");
        assert!(same(&third, &device()));
        assert!(shared(&Mutex::new(Weak::new()), || Err(Error::EmptyBatch { dim: 1 })).is_err());
    }
}
