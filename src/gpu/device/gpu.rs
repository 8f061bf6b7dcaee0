//! The public handle of a device.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use wgpu::util::pipeline_cache_key;
use wgpu::{
    AdapterInfo, Buffer, BufferDescriptor, BufferUsages, Device, MapMode, PipelineCache, Queue,
    SubmissionIndex,
};

use super::caps::Caps;
use super::device_queue::DeviceQueue;
use super::pipeline_cache::{self, TrustedData};
use super::poller::Poller;
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::wait::WaitMode;

/// Whose memory a buffer of the device is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    Device,
    /// Kernels read it through the link: see [`Caps::host_storage`].
    Host,
}

/// One adapter, device and queue. Cheap to clone; build one per process.
#[derive(Clone)]
pub struct Gpu(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) device_queue: DeviceQueue,
    pub(super) origin: Origin,
    /// The device that replaces this one after a loss, for as long as somebody holds it.
    pub(super) successor: Mutex<Weak<Inner>>,
    pub(super) info: AdapterInfo,
    pub(super) caps: Caps,
    pipeline_cache: Option<PipelineCache>,
    poller: Poller,
}

/// Who opened a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This crate, for `Engine::Auto`.
    Automatic,
    /// This crate, for the caller.
    Opened,
    /// The caller.
    Caller,
}

impl Gpu {
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

    pub(super) fn from_device_queue(
        device_queue: DeviceQueue,
        origin: Origin,
        info: AdapterInfo,
        coop_side: Option<u32>,
        cached: Option<&TrustedData>,
    ) -> Self {
        let caps = Caps::new(&device_queue.device, &info, coop_side);
        let pipeline_cache = pipeline_cache::create(&device_queue.device, cached);
        let poller = Poller::new(device_queue.clone());
        let successor = Mutex::new(Weak::new());
        let inner = Inner { device_queue, origin, successor, info, caps, pipeline_cache, poller };
        Self(Arc::new(inner))
    }

    /// The same device, taken for that of a real GPU, so that a software adapter runs the kernels of one.
    #[cfg(test)]
    pub(crate) fn as_hardware(&self) -> Self {
        let info =
            AdapterInfo { device_type: wgpu::DeviceType::DiscreteGpu, ..self.0.info.clone() };
        let device_queue = self.0.device_queue.clone();
        Self::from_device_queue(device_queue, self.0.origin, info, None, None)
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
        let size = bytes.len() as u64;
        self.filled(label, Home::Device, size, size, |range, piece| {
            piece.copy_from_slice(&bytes[range.start as usize..range.end as usize]);
        })
    }

    /// Memory of the device that nothing else can take until the buffer is dropped.
    ///
    /// # Errors
    /// The device has no such memory.
    pub(crate) fn spare(&self, bytes: u64) -> Result<Buffer> {
        let bytes = bytes.min(self.caps().limits.buffer_bytes);
        self.with_error_scopes("spare memory", || {
            self.0.device_queue.buffer("vecodec.spare", bytes, BufferUsages::STORAGE)
        })
    }

    /// Creates a buffer of `size` bytes that `fill` gives, at most `piece` bytes at a time.
    pub(crate) fn filled(
        &self,
        label: &str,
        home: Home,
        size: u64,
        piece: u64,
        mut fill: impl FnMut(Range<u64>, &mut [u8]),
    ) -> Result<Buffer> {
        let (piece, gpu) = (piece.min(size), &self.0.device_queue);
        let buffers = self.with_error_scopes("a buffer for resident data", || {
            let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
            let staging = gpu.buffer("vecodec.resident.upload", piece, usage);
            // wgpu puts what may be mapped for reading, and only for that, into the host's memory.
            let usage = match home {
                Home::Device => BufferUsages::empty(),
                Home::Host => BufferUsages::MAP_READ,
            };
            let usage = usage | BufferUsages::STORAGE | BufferUsages::COPY_DST;
            (staging, gpu.buffer(label, size, usage))
        });
        let (staging, buffer) = buffers.map_err(|error| error.with_bytes_required(size + piece))?;
        // Of words, so that what is filled is aligned.
        let (mut last, mut words) = (None, vec![0u64; piece.div_ceil(8) as usize]);
        for start in (0..size).step_by(piece.max(1) as usize) {
            let range = start..(start + piece).min(size);
            let len = range.end - range.start;
            let bytes: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut words)[..len as usize];
            fill(range, bytes);
            let signal = gpu.map(&staging, MapMode::Write, ..len);
            pollster::block_on(self.wait(WaitMode::Blocking, last.take(), &signal))?;
            staging
                .get_mapped_range_mut(..len)
                .map_err(|e| gpu.unmapped("the mapping of resident data", &e))?
                .copy_from_slice(bytes);
            gpu.unmap(&staging);
            last = Some(self.with_error_scopes("the upload of resident data", || {
                let mut encoder = self.device().create_command_encoder(&Default::default());
                encoder.copy_buffer_to_buffer(&staging, 0, &buffer, start, len);
                self.queue().submit([encoder.finish()])
            })?);
        }
        Ok(buffer)
    }

    /// Creates a buffer of some bytes, to be copied from.
    pub(crate) fn upload(&self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        let device = &self.0.device_queue;
        self.with_error_scopes("a buffer for parameters", || {
            // Mapped itself, so that wgpu needs no memory besides.
            let buffer = self.device().create_buffer(&BufferDescriptor {
                label: Some(label),
                size: bytes.len() as u64,
                usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            });
            let view = buffer.get_mapped_range_mut(..);
            let written = view.map(|mut view| view.copy_from_slice(bytes));
            device.unmap(&buffer);
            written.map(|()| buffer).map_err(|e| device.unmapped("the mapping of parameters", &e))
        })?
    }

    /// Whether this is the same device.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
                self.0.device_queue.find_loss()?;
                let detail = "the mapping was aborted".to_owned();
                Err(Error::Gpu { what: "the mapping of a buffer", detail })
            }
        }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.0.info.name).finish_non_exhaustive()
    }
}
