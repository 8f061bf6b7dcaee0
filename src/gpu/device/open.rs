//! Opens devices, and opens them again after a loss.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wgpu::util::pipeline_cache_key;
use wgpu::{
    Adapter, Device, DeviceDescriptor, DeviceType, ExperimentalFeatures, Features, MemoryHints,
    Queue,
};

use super::adapters;
use super::caps;
use super::device_queue::DeviceQueue;
use super::gpu::{Gpu, Inner, Origin};
use super::pipeline_cache::{self, TrustedData};
use crate::error::{Error, Result};

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
        Self::from_adapter(adapters::best().await?, Origin::Opened, None).await
    }

    /// All adapters of `WGPU_BACKEND`, or of the system's own graphics APIs, software adapters included. Loads
    /// the drivers.
    ///
    /// # Errors
    /// Too little address space for the drivers.
    pub fn list() -> Result<Vec<Adapter>> {
        pollster::block_on(adapters::all())
    }

    /// Opens a device of its own on one of the adapters that [`list`](Self::list) found.
    ///
    /// ```no_run
    /// use vecodec::Gpu;
    ///
    /// for adapter in Gpu::list()? {
    ///     println!("{}", adapter.get_info().name);
    /// }
    /// let gpu = Gpu::open(&Gpu::list()?[0])?;
    /// # Ok::<(), vecodec::Error>(())
    /// ```
    ///
    /// # Errors
    /// The adapter gives no device.
    pub fn open(adapter: &Adapter) -> Result<Self> {
        pollster::block_on(Self::from_adapter(adapter.clone(), Origin::Opened, None))
    }

    /// Opens the adapter of this number in [`list`](Self::list), or else the first one whose name contains the text, in
    /// whatever case.
    ///
    /// # Errors
    /// There is none, or it gives no device.
    pub fn find(number_or_name: &str) -> Result<Self> {
        Self::open(&adapters::find(&Self::list()?, number_or_name)?)
    }

    /// The process's shared device on the best adapter that is not a software one. It lives for as
    /// long as somebody holds it, and a lost device is never handed out again.
    pub(crate) fn automatic() -> Result<Self> {
        shared(&AUTOMATIC, || {
            let wanted = "other than a software one".to_owned();
            if !adapters::shows_hardware() {
                return Err(Error::NoAdapter { wanted, found: "no device of a GPU".to_owned() });
            }
            let adapter = pollster::block_on(adapters::best())?;
            let info = adapter.get_info();
            if info.device_type == DeviceType::Cpu {
                return Err(Error::NoAdapter { wanted, found: info.name });
            }
            pollster::block_on(Self::from_adapter(adapter, Origin::Automatic, None))
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
        pollster::block_on(Self::from_adapter(adapter, Origin::Opened, data))
    }

    async fn from_adapter(
        adapter: Adapter,
        origin: Origin,
        cached: Option<TrustedData>,
    ) -> Result<Self> {
        let mut required_limits = adapter.limits();
        // DX12 reserves descriptors for all of them at once.
        required_limits.max_non_sampler_bindings =
            required_limits.max_non_sampler_bindings.min(10_000);
        let wanted = Features::MAPPABLE_PRIMARY_BUFFERS
            | Features::TIMESTAMP_QUERY
            | Features::PIPELINE_CACHE
            | Features::SHADER_F16
            | Features::SUBGROUP
            | Features::SUBGROUP_BARRIER
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
        Ok(Self::from_device_queue(device_queue, origin, info, coop_side, cached.as_ref()))
    }

    /// Shares the caller's device, whose handlers for errors and for loss stay the caller's.
    ///
    /// # Errors
    /// The device cannot run the compute shaders of this crate, is lost, or the queue is another
    /// device's.
    pub fn from_device(device: Device, queue: Queue) -> Result<Self> {
        let info = device.adapter_info();
        let limits = device.limits();
        if limits.max_compute_invocations_per_workgroup < 256
            || limits.max_storage_buffers_per_shader_stage < 8
        {
            let detail = format!(
                "{} allows {} invocations per workgroup and {} storage buffers per stage, and 256 \
                 and 8 are needed: request the device with wgpu's default limits",
                info.name,
                limits.max_compute_invocations_per_workgroup,
                limits.max_storage_buffers_per_shader_stage
            );
            return Err(Error::Gpu { what: "the caller's device", detail });
        }
        let software = info.device_type == DeviceType::Cpu;
        let device_queue = DeviceQueue::new(device, queue, software);
        device_queue.find_loss()?;
        if !device_queue.belong_together() {
            let detail = "the queue belongs to another device: pass the queue that \
                          request_device returned with this device"
                .to_owned();
            return Err(Error::Gpu { what: "the caller's device", detail });
        }
        // Only an adapter can tell the shapes of cooperative matrices; a device cannot.
        Ok(Self::from_device_queue(device_queue, Origin::Caller, info, None, None))
    }

    /// The device that replaces this one after a loss: all codecs of a lost device get the same. It
    /// is opened on the same adapter, and by `Engine::Auto` on the best one.
    pub(crate) fn successor(&self) -> Result<Self> {
        match self.0.origin {
            Origin::Automatic => Self::automatic(),
            Origin::Opened => shared(&self.0.successor, || {
                let adapter = pollster::block_on(adapters::like(&self.0.info))?;
                pollster::block_on(Self::from_adapter(adapter, Origin::Opened, None))
            }),
            Origin::Caller => {
                self.0.device_queue.check_lost()?;
                let detail = "the device is the caller's".to_owned();
                Err(Error::DeviceLost { detail })
            }
        }
    }

    /// The same device with stamps on its chunks, which a test needs. Nobody else may hold it yet.
    #[cfg(test)]
    pub(crate) fn stamped(mut self) -> Self {
        Arc::get_mut(&mut self.0).expect("a device that was just opened").caps.stamped = true;
        self
    }

    /// Whether the device is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.device_queue.find_loss().is_err()
    }
}

/// The device that `cell` remembers, if somebody still holds it and it is not lost; else a new one,
/// which `cell` then remembers.
fn shared(cell: &Mutex<Weak<Inner>>, open: impl FnOnce() -> Result<Gpu>) -> Result<Gpu> {
    // The guarded value is assigned in one step: under a poisoned lock it is still consistent.
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(inner) = cell.upgrade()
        && inner.device_queue.find_loss().is_ok()
    {
        return Ok(Gpu(inner));
    }
    let gpu = open()?;
    *cell = Arc::downgrade(&gpu.0);
    Ok(gpu)
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
