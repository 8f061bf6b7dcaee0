//! Encoding and decoding into a caller's encoder, from and into the caller's buffers.

use std::ops::Range;
use std::sync::Arc;

use wgpu::{Buffer, CommandEncoder};

use super::Codec;
use super::gpu_buffers::{At, GpuCodes, GpuRows, SCALE_BYTES};
use super::gpu_engine::GpuEngine;
use crate::element::Element;
use crate::error::{Error, OTHER_ADAPTER, RecordError, Result};
use crate::gpu::{Params, Program, RecordedChunk};
use crate::plan::{ALIGNMENT, Section, count};

/// Chunks have a multiple of so many rows, so that each begins where a device can bind it: a row has a multiple of
/// four bytes.
const CHUNK_STEP: usize = (ALIGNMENT / 4) as usize;

impl Codec {
    /// Records the encoding of rows into the caller's encoder. Nothing is submitted, and nothing read back.
    ///
    /// The encoder and the buffers are those of [`Codec::gpu`]'s device, the first of several: make the codec with
    /// [`Gpu::from_device`](crate::Gpu::from_device) to share a device. The rows may be written by the same
    /// encoder before, and the codes be read by it afterwards. Creates a small buffer and bind groups; device
    /// memory between the kernels is shared by all recordings of a codec.
    ///
    /// Values cannot be checked. A row with NaN or infinity has codes without a meaning: see [`GpuCodes`].
    ///
    /// # Errors
    /// The codec runs on the CPU; no rows; another number of rows than of codes; no scales where the model has
    /// some; a buffer that is too small, has not the usage `STORAGE`, or an offset that the device does not bind;
    /// rows and codes in one buffer; too little memory of the GPU, or its loss. The encoder is then as it was.
    pub fn record_encode<T: Element>(
        &self,
        encoder: &mut CommandEncoder,
        rows: GpuRows<'_, T>,
        codes: GpuCodes<'_>,
    ) -> Result<()> {
        let engine = self.recording_engine()?;
        let batch = Batch::new(self, &engine, &rows, &codes)?;
        rows.at.check_apart("rows", &codes.at, "codes")?;
        if let Some(scales) = &codes.scales {
            rows.at.check_apart("rows", scales, "scales")?;
        }
        let program = match T::IS_F16 {
            true => engine.programs.encode_f16(&engine.gpu)?,
            false => engine.programs.encode.clone(),
        };
        // Rows of f16 are padded in the caller's buffer.
        let pad = match T::IS_F16 || batch.dim.is_multiple_of(4) {
            true => None,
            false => Some(engine.programs.pad(&engine.gpu)?),
        };
        batch.record(encoder, &program, pad.as_deref(), false)
    }

    /// Records the decoding of codes into the caller's encoder, as [`record_encode`](Self::record_encode) does.
    ///
    /// Codes may be any bytes. A region that the model does not have counts as its last.
    ///
    /// # Errors
    /// As for [`record_encode`](Self::record_encode).
    pub fn record_decode<T: Element>(
        &self,
        encoder: &mut CommandEncoder,
        codes: GpuCodes<'_>,
        rows: GpuRows<'_, T>,
    ) -> Result<()> {
        let engine = self.recording_engine()?;
        let batch = Batch::new(self, &engine, &rows, &codes)?;
        codes.at.check_apart("codes", &rows.at, "rows")?;
        if let Some(scales) = &codes.scales {
            scales.check_apart("scales", &rows.at, "rows")?;
        }
        let programs = &engine.programs;
        let program = if T::IS_F16 { &programs.decode_f16 } else { &programs.decode };
        batch.record(encoder, program, None, true)
    }

    /// The engine that a caller's encoder may belong to.
    pub(super) fn recording_engine(&self) -> Result<Arc<GpuEngine>> {
        let backend = self.backend();
        let engine = backend.gpus().first().ok_or(Error::Record(RecordError::CpuEngine))?.clone();
        engine.gpu.device_queue().check_lost()?;
        Ok(engine)
    }
}

/// Rows and codes of a recording, which fit each other.
struct Batch<'a> {
    engine: &'a GpuEngine,
    dim: usize,
    count: usize,
    rows: At<'a>,
    row_bytes: u64,
    codes: At<'a>,
    code_bytes: u64,
    scales: Option<At<'a>>,
}

impl<'a> Batch<'a> {
    fn new<T: Element>(
        codec: &Codec,
        engine: &'a GpuEngine,
        rows: &GpuRows<'a, T>,
        codes: &GpuCodes<'a>,
    ) -> Result<Self> {
        let (model, gpu, count) = (codec.model(), &engine.gpu, rows.rows);
        let dim = model.config().dim;
        if count == 0 {
            return Err(Error::EmptyBatch { dim });
        }
        if count != codes.rows {
            let codes = codes.rows;
            return Err(Error::Record(RecordError::RowCount { rows: count, codes }));
        }
        let config = model.config();
        if codes.scales.is_none() && (config.bytes().is_none() || config.has_row_scales()) {
            return Err(Error::Record(RecordError::NoScales));
        }
        rows.at.checked(gpu, "rows", GpuRows::<T>::bytes(model, count))?;
        codes.at.checked(gpu, "codes", GpuCodes::bytes(model, count))?;
        if let Some(scales) = codes.scales {
            scales.checked(gpu, "scales", GpuCodes::scale_bytes(count))?;
        }
        Ok(Self {
            engine,
            dim,
            count,
            rows: rows.at,
            row_bytes: GpuRows::<T>::bytes(model, 1),
            codes: codes.at,
            code_bytes: GpuCodes::bytes(model, 1),
            scales: codes.scales,
        })
    }

    /// Records a program over all rows, chunk by chunk, and `pad` before it.
    fn record(
        &self,
        encoder: &mut CommandEncoder,
        program: &Program,
        pad: Option<&Program>,
        decodes: bool,
    ) -> Result<()> {
        let gpu = &self.engine.gpu;
        let chunk_rows = self.chunk_rows(program, pad)?;
        let chunks: Vec<Range<usize>> = (0..self.count)
            .step_by(chunk_rows)
            .map(|first| first..(first + chunk_rows).min(self.count))
            .collect();
        // The sections that are not the caller's.
        let mut own = Vec::new();
        if self.scales.is_none() && !decodes {
            own.push(Section::Scales);
        }
        if pad.is_some() {
            own.push(Section::Rows);
        }
        let parameters = self.parameters(&chunks, decodes);
        let bytes = parameters.len() as u64;
        let scratch = self.engine.scratch(program, &own, [self.count, chunk_rows], bytes)?;
        let upload = gpu.upload("vecodec.recorded.upload", &parameters)?;
        let mut recorded = Vec::with_capacity(chunks.len());
        for (number, rows) in chunks.iter().enumerate() {
            let chunk = RecordedChunk {
                scratch: &scratch,
                params_at: ALIGNMENT * (1 + number as u64),
                sections: self.sections(rows, &scratch.parameters, pad.is_some(), decodes),
            };
            let padded = pad.map(|pad| pad.bind(gpu, &chunk)).transpose()?;
            recorded.push((rows.len(), padded, program.bind(gpu, &chunk)?));
        }
        encoder.copy_buffer_to_buffer(&upload, 0, &scratch.parameters, 0, bytes);
        for (rows, padded, bind_groups) in recorded {
            if let Some((pad, bind_groups)) = pad.zip(padded) {
                pad.record(encoder, &bind_groups, rows, None);
            }
            program.record(encoder, &bind_groups, rows, None);
        }
        Ok(())
    }

    /// Rows of a chunk: as many as a large one has, in whole steps.
    fn chunk_rows(&self, program: &Program, pad: Option<&Program>) -> Result<usize> {
        let gpu = &self.engine.gpu;
        let step_bytes =
            CHUNK_STEP as u64 * program.layout().sections().map(|(_, b)| b).sum::<u64>();
        let bytes = gpu.caps().chunk_bytes.large.max(step_bytes);
        let mut rows = program.chunk_rows(gpu, bytes)?;
        if let Some(pad) = pad {
            rows = rows.min(pad.chunk_rows(gpu, bytes)?);
        }
        if rows >= self.count {
            return Ok(rows);
        }
        if rows < CHUNK_STEP {
            let (required, available) = (CHUNK_STEP as u64, rows as u64);
            let what = "rows of a chunk within the adapter's limits";
            return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
        }
        Ok(rows / CHUNK_STEP * CHUNK_STEP)
    }

    /// A scale of 1 for all rows, and the parameters of each chunk.
    fn parameters(&self, chunks: &[Range<usize>], decodes: bool) -> Vec<u8> {
        let mut bytes = vec![0; (1 + chunks.len()) * ALIGNMENT as usize];
        let mut blocks = bytes.chunks_exact_mut(ALIGNMENT as usize);
        let mut put = |value: &[u8]| {
            let block = blocks.next().expect("each chunk has a block");
            block[..value.len()].copy_from_slice(value);
        };
        put(&1.0f32.to_le_bytes());
        for rows in chunks {
            let has_scales = self.scales.is_some() || !decodes;
            let params = Params { rows: count(rows.len()), scale_stride: has_scales.into() };
            put(bytemuck::bytes_of(&params));
        }
        bytes
    }

    /// Where the sections of a chunk are that are not between the kernels.
    fn sections<'b>(
        &self,
        rows: &Range<usize>,
        parameters: &'b Buffer,
        pads: bool,
        decodes: bool,
    ) -> Vec<(Section, &'b Buffer, Range<u64>)>
    where
        'a: 'b,
    {
        let rows_as = if pads { Section::TightRows } else { Section::Rows };
        let mut sections = vec![
            self.rows.section(rows_as, self.row_bytes, rows),
            self.codes.section(Section::Codes, self.code_bytes, rows),
        ];
        match self.scales {
            Some(scales) => sections.push(scales.section(Section::Scales, SCALE_BYTES, rows)),
            None if decodes => sections.push((Section::Scales, parameters, 0..SCALE_BYTES)),
            None => {}
        }
        sections
    }
}
