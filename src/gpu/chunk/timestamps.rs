//! The time that the GPU itself takes for a program.

use std::time::Duration;

use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, Features, MapMode,
    QUERY_SIZE, QuerySet, QuerySetDescriptor, QueryType,
};

use super::super::device::Gpu;
use crate::error::Result;
use crate::wait::WaitMode;

/// Timestamps at the beginning and the end of each pass of a program.
pub(crate) struct Timestamps {
    queries: QuerySet,
    resolved: Buffer,
    readable: Buffer,
    passes: u32,
}

impl Timestamps {
    /// Queries for `passes` passes; none where the device has no timestamps.
    pub(crate) fn new(gpu: &Gpu, passes: u32) -> Result<Option<Self>> {
        if !gpu.device().features().contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let bytes = u64::from(2 * passes * QUERY_SIZE);
        let device = gpu.device_queue();
        gpu.with_error_scopes("timestamp queries", || {
            let queries = gpu.device().create_query_set(&QuerySetDescriptor {
                label: Some("vecodec.timestamps"),
                ty: QueryType::Timestamp,
                count: 2 * passes,
            });
            let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
            let resolved = device.buffer("vecodec.timestamps.resolved", bytes, usage);
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let readable = device.buffer("vecodec.timestamps.readable", bytes, usage);
            Some(Self { queries, resolved, readable, passes })
        })
    }

    /// The timestamps that pass number `pass` writes.
    pub(crate) fn writes(&self, pass: u32) -> ComputePassTimestampWrites<'_> {
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * pass),
            end_of_pass_write_index: Some(2 * pass + 1),
        }
    }

    /// Makes the timestamps readable, at the end of the submission that writes them.
    pub(crate) fn resolve(&self, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2 * self.passes, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, self.resolved.size());
    }

    /// The time within passes, once the submission is done; none where the driver gave no valid times.
    pub(crate) async fn read(&self, gpu: &Gpu) -> Result<Option<Duration>> {
        let signal = gpu.device_queue().map(&self.readable, MapMode::Read, ..self.readable.size());
        gpu.wait(WaitMode::Blocking, None, &signal).await?;
        let ticks: Vec<u64> = {
            let device = gpu.device_queue();
            let view = self.readable.get_mapped_range(..);
            let view = view.map_err(|e| device.unmapped("the mapping of timestamps", &e))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        gpu.device_queue().unmap(&self.readable);
        let mut total = 0;
        for pass in ticks.chunks_exact(2) {
            // Metal on some systems gives zeros.
            match pass[1].checked_sub(pass[0]) {
                Some(span) if span > 0 => total += span,
                _ => return Ok(None),
            }
        }
        let nanoseconds = total as f64 * f64::from(gpu.queue().get_timestamp_period());
        Ok(Some(Duration::from_nanos(nanoseconds as u64)))
    }
}
