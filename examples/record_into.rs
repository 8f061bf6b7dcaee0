//! Works on the caller's own device: encodes a corpus there, and answers queries in one submission of the caller's,
//! of which only the hits are read back.

use std::error::Error;

use vecodec::wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, Device, MapMode, PollType, Queue,
};
use vecodec::{
    Codec, CodecOptions, Codes, Engine, Gpu, GpuCodes, GpuHits, GpuRows, Index, Metric, Model,
    ModelConfig,
};

const DIM: usize = 96;
const ROWS: usize = 5000;
const QUERIES: usize = 8;
const K: usize = 3;

/// Encodes on a device of its own, searches there, and compares the hits with those of the CPU.
pub fn main() -> Result<(), Box<dyn Error>> {
    let rows = rows();
    let model = Model::fit(&rows, ModelConfig::bits(DIM, 24))?;

    // The caller's device and queue. vecodec works beside what else they do.
    let (device, queue) = device()?;
    let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    let engine = CodecOptions::default().with_engine(Engine::Gpu(gpu));
    let codec = Codec::with_options(model.clone(), engine)?;

    // Encode the corpus. A kernel of the caller's may have written the rows.
    let corpus = filled(&device, &queue, &rows);
    let codes = storage(&device, GpuCodes::bytes(&model, ROWS));
    let scales = storage(&device, GpuCodes::scale_bytes(ROWS));
    let mut encoder = device.create_command_encoder(&Default::default());
    let to = GpuCodes::new(&codes, 0, ROWS).with_scales(&scales, 0);
    codec.record_encode(&mut encoder, GpuRows::<f32>::new(&corpus, 0, ROWS), to)?;
    let packed = read_back(&device, &queue, encoder, &codes)?;
    let index = Index::new(&codec, Codes::from_parts(&model, packed, 1.0)?, Metric::Cosine)?;

    // Answer queries in one submission: the first rows of the corpus, as it lies on the device.
    let hits = storage(&device, GpuHits::bytes(QUERIES, K));
    let mut encoder = device.create_command_encoder(&Default::default());
    let queries = GpuRows::new(&corpus, 0, QUERIES);
    let search = index.record_search(&mut encoder, queries, K, GpuHits::new(&hits, 0))?;
    let found = search.hits(&read_back(&device, &queue, encoder, &hits)?)?;

    // The CPU's exact search finds the same rows.
    let on_cpu =
        Codec::with_options(model.clone(), CodecOptions::default().with_engine(Engine::Cpu))?;
    let index = Index::new(&on_cpu, on_cpu.encode_flat(&rows)?, Metric::Cosine)?;
    let expected = index.search(&rows[..QUERIES * DIM], K)?;
    for query in 0..QUERIES {
        let ((ids, scores), (expected, _)) = (found.query(query), expected.query(query));
        println!("row {query}: rows {ids:?} with cosines {scores:.4?}");
        assert_eq!(ids, expected);
    }
    Ok(())
}

/// Rows of norm 1, each a sum of waves.
fn rows() -> Vec<f32> {
    let weight = |i: usize, k: usize| ((i * i * i % 99_991) as f32 * 0.618 * k as f32).sin();
    let wave = |j: usize, k: usize| ((j * k) as f32 / 16.0).cos();
    let value = |i, j| (1..20).map(|k| weight(i + 1, k) * wave(j, k) / (k as f32).sqrt()).sum();
    let mut rows: Vec<f32> = (0..ROWS).flat_map(|i| (0..DIM).map(move |j| value(i, j))).collect();
    for row in rows.chunks_mut(DIM) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= norm);
    }
    rows
}

/// A device, as a program has one that renders or trains.
fn device() -> Result<(Device, Queue), Box<dyn Error>> {
    use vecodec::wgpu::{DeviceDescriptor, Instance, InstanceDescriptor};
    pollster::block_on(async {
        let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&Default::default()).await?;
        Ok(adapter.request_device(&DeviceDescriptor::default()).await?)
    })
}

fn buffer(device: &Device, size: u64, usage: BufferUsages) -> Buffer {
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    device.create_buffer(&descriptor)
}

fn storage(device: &Device, size: u64) -> Buffer {
    buffer(device, size, BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST)
}

fn filled(device: &Device, queue: &Queue, values: &[f32]) -> Buffer {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let buffer = storage(device, bytes.len() as u64);
    queue.write_buffer(&buffer, 0, &bytes);
    buffer
}

/// Submits the encoder's work, and returns what a buffer holds then.
fn read_back(
    device: &Device,
    queue: &Queue,
    mut encoder: CommandEncoder,
    from: &Buffer,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let to = buffer(device, from.size(), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
    encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
    queue.submit([encoder.finish()]);
    to.map_async(MapMode::Read, .., |result| result.expect("the buffer can be mapped"));
    device.poll(PollType::wait_indefinitely())?;
    Ok(to.get_mapped_range(..)?.to_vec())
}
