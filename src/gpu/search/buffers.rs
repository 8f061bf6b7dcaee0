//! The memory of a search on a device, which later searches use again.

use wgpu::{Buffer, BufferUsages, MapMode, SubmissionIndex};

use super::super::chunk::{Lease, Pool, Pooled};
use super::super::device::{DeviceQueue, Gpu};
use crate::error::Result;
use crate::wait::WaitMode;

/// Bytes of the buffers of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SearchBytes {
    /// Parameters, filters, rows of queries and lists as they begin.
    pub(super) input: u64,
    /// The lists behind the input's other parts.
    pub(super) lists: u64,
    pub(super) candidates: u64,
    pub(super) found: u64,
    /// Queries in the latent space of each region.
    pub(super) projected: u64,
    /// What is made of them for a scan: matrices and centers, or tables of bundles; 0 if nothing is.
    pub(super) made: u64,
}

/// Buffers of a search, idle or in use.
pub(crate) struct SearchSlot {
    device: DeviceQueue,
    pub(super) upload: Buffer,
    pub(super) input: Buffer,
    pub(super) lists: Buffer,
    pub(super) candidates: Buffer,
    pub(super) found: Buffer,
    pub(super) projected: Buffer,
    pub(super) made: Buffer,
    /// The lists, and the found rows behind them.
    pub(super) readback: Buffer,
    last_use: Option<SubmissionIndex>,
    /// Whether no mapping was left pending: see `gpu::chunk::slot`.
    reusable: bool,
}

pub(crate) type SearchPool = Pool<SearchBytes, SearchSlot>;
pub(super) type SearchLease = Lease<SearchBytes, SearchSlot>;

impl Pooled for SearchSlot {
    fn reusable(&self) -> bool {
        self.reusable
    }
}

/// The bytes of a buffer, rounded up, so that few sizes exist and buffers are found again.
pub(super) fn rounded(bytes: u64) -> u64 {
    bytes.max(4096).next_power_of_two()
}

impl SearchBytes {
    /// The same, each rounded up.
    pub(super) fn rounded(self) -> Self {
        let Self { input, lists, candidates, found, projected, made } = self;
        Self {
            input: rounded(input),
            lists: rounded(lists),
            candidates: rounded(candidates),
            found: rounded(found),
            projected: rounded(projected),
            made: rounded(made),
        }
    }

    fn all(self) -> u64 {
        let Self { input, lists, candidates, found, projected, made } = self;
        2 * input + 2 * lists + candidates + 2 * found + projected + made
    }
}

impl SearchSlot {
    pub(super) fn lease(gpu: &Gpu, pool: &SearchPool, bytes: SearchBytes) -> Result<SearchLease> {
        pool.lease(bytes, || bytes.all(), || Self::new(gpu, bytes))
    }

    fn new(gpu: &Gpu, bytes: SearchBytes) -> Result<Self> {
        let device = gpu.device_queue();
        let work = || {
            let (to, from) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC);
            let storage = BufferUsages::STORAGE;
            let buffer = |label, bytes, usage| device.buffer(label, bytes, usage);
            Self {
                device: device.clone(),
                upload: buffer(
                    "vecodec.search.upload",
                    bytes.input,
                    BufferUsages::MAP_WRITE | from,
                ),
                input: buffer(
                    "vecodec.search.input",
                    bytes.input,
                    storage | BufferUsages::UNIFORM | to,
                ),
                lists: buffer("vecodec.search.lists", bytes.lists, storage | to | from),
                candidates: buffer("vecodec.search.candidates", bytes.candidates, storage),
                found: buffer("vecodec.search.found", bytes.found, storage | from),
                projected: buffer("vecodec.search.projected", bytes.projected, storage),
                made: buffer("vecodec.search.made", bytes.made, storage),
                readback: buffer(
                    "vecodec.search.readback",
                    bytes.lists + bytes.found,
                    BufferUsages::MAP_READ | to,
                ),
                last_use: None,
                reusable: true,
            }
        };
        let made = gpu.with_error_scopes("the buffers of a search", work);
        made.map_err(|error| error.with_bytes_required(bytes.all()))
    }

    /// Maps the first bytes of one of the buffers, once the device is done with it.
    fn map(&mut self, gpu: &Gpu, buffer: Buffer, mode: MapMode, bytes: u64) -> Result<()> {
        let signal = self.device.map(&buffer, mode, ..bytes);
        self.reusable = false;
        let wait = gpu.wait(WaitMode::Blocking, self.last_use.clone(), &signal);
        pollster::block_on(wait)?;
        self.reusable = true;
        Ok(())
    }

    /// Maps the upload buffer and has `fill` write its first bytes.
    pub(super) fn fill(
        &mut self,
        gpu: &Gpu,
        bytes: u64,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        self.map(gpu, self.upload.clone(), MapMode::Write, bytes)?;
        // Of words, so that what is written is aligned.
        let mut words = vec![0u64; bytes.div_ceil(8) as usize];
        let written: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut words)[..bytes as usize];
        fill(written);
        let result = {
            let _guard = self.device.hold_view();
            let view = self.upload.get_mapped_range_mut(..bytes);
            view.map(|mut view| view.copy_from_slice(written))
        };
        self.device.unmap(&self.upload);
        result.map_err(|error| self.device.unmapped("the mapping of a search", &error))
    }

    /// Notes the last submission that uses the buffers.
    pub(super) fn used_by(&mut self, submission: SubmissionIndex) {
        self.last_use = Some(submission);
    }

    /// Waits for the results, of so many bytes, and has `read` read them.
    pub(super) fn read<T>(
        &mut self,
        gpu: &Gpu,
        bytes: u64,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        self.map(gpu, self.readback.clone(), MapMode::Read, bytes)?;
        let result = {
            let _guard = self.device.hold_view();
            let view = self.readback.get_mapped_range(..bytes);
            view.map(|view| read(&view))
        };
        self.device.unmap(&self.readback);
        result.map_err(|error| self.device.unmapped("the mapping of a search", &error))
    }
}
