//! Encoding and decoding in a caller's encoder.

use vecodec::wgpu::{Buffer, BufferDescriptor, BufferUsages};
use vecodec::{
    Codec, CodecOptions, Codes, Coding, Engine, Error, ErrorKind, Gpu, GpuCodes, GpuHits, GpuRows,
    Index, Metric, Model, ModelConfig, Regions, RowNorm, f16,
};

use crate::bit_codes;
use crate::buffers::{assert_says, encoder, filled, gpu_of, storage, submitted};
use crate::data::identity;
use crate::engines::{codec, cpu, gpu_suite};

gpu_suite!(gpu:
    recorded_codes_and_rows_are_those_of_the_codec,
    recordings_share_memory_in_any_order,
    rows_that_are_not_finite_show_in_their_scales,
    recordings_that_cannot_be_are_refused,
    any_bytes_are_decoded,
    a_lost_device_records_nothing,
);

#[path = "../../examples/record_into.rs"]
mod example;

/// It compares its hits with those of the CPU.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn the_example_runs() {
    example::main().unwrap();
}

/// Models with scales and without, with regions, and with dimensions that are no multiples of four.
fn models() -> Vec<Model> {
    let bits = |dim, bytes, coding, norm, regions| -> ModelConfig {
        let config = ModelConfig::bits(dim, bytes).with_coding(coding).with_row_norm(norm);
        config.with_regions(Regions::Count(regions)).into()
    };
    let trellis = Coding::Trellis { states: 256 };
    [
        ModelConfig::int8(24, 11).into(),
        ModelConfig::int8(33, 16).into(),
        bits(24, 9, trellis, RowNorm::Omit, 1),
        bits(31, 17, trellis, RowNorm::Store, 5),
        bits(32, 12, Coding::Scalar, RowNorm::Omit, 3),
        bits(13, 11, Coding::Scalar, RowNorm::Store, 1),
    ]
    .map(|config: ModelConfig| Model::fit(&bit_codes::rows(400, config.dim, 3), config).unwrap())
    .into()
}

/// Rows with gaps up to four bytes after each `size` bytes taken out.
fn unpadded(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.chunks(size.next_multiple_of(4)).flat_map(|row| &row[..size]).copied().collect()
}

fn padded(bytes: &[u8], size: usize) -> Vec<u8> {
    let gap = size.next_multiple_of(4) - size;
    bytes.chunks(size).flat_map(|row| row.iter().copied().chain(vec![0; gap])).collect()
}

/// Bytes of a row of codes.
fn packed_size(codec: &Codec) -> usize {
    codec.encode_flat(&vec![0.0f32; codec.model().config().dim]).unwrap().as_bytes().len()
}

const OFFSET: u64 = 512;

/// Codes and scales as a recording writes them, behind `OFFSET` bytes.
fn encoded(codec: &Codec, engine: &CodecOptions, rows: &Buffer, count: usize) -> [Vec<u8>; 2] {
    let (gpu, model) = (gpu_of(engine), codec.model());
    let codes = storage(gpu, OFFSET + GpuCodes::bytes(model, count));
    let scales = storage(gpu, OFFSET + GpuCodes::scale_bytes(count));
    let to = GpuCodes::new(&codes, OFFSET, count).with_scales(&scales, OFFSET);
    let mut recorded = encoder(gpu);
    codec.record_encode(&mut recorded, GpuRows::<f32>::new(rows, OFFSET, count), to).unwrap();
    let codes = submitted(gpu, recorded, &codes);
    let scales = submitted(gpu, encoder(gpu), &scales);
    assert!(codes[..OFFSET as usize].iter().chain(&scales[..OFFSET as usize]).all(|b| *b == 0));
    [codes[OFFSET as usize..].to_vec(), scales[OFFSET as usize..].to_vec()]
}

fn recorded_codes_and_rows_are_those_of_the_codec(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    for model in models() {
        let (codec, dim) = (codec(engine, &model), model.config().dim);
        // More rows than a chunk has on a software adapter, where they take no trellis.
        let many = if dim == 33 { 40_000 } else { 700 };
        for count in [1, 63, 130, many] {
            let label = format!("{:?}, {count} rows", model.config());
            let rows = bit_codes::rows(count, dim, 4);
            let expected = codec.encode_flat(&rows).unwrap();
            let buffer = filled(gpu, bytemuck::cast_slice(&rows), OFFSET);
            let [codes, scales] = encoded(&codec, engine, &buffer, count);
            assert_eq!(unpadded(&codes, packed_size(&codec)), expected.as_bytes(), "{label}");
            let scales: Vec<f32> = bytemuck::pod_collect_to_vec(&scales);
            let magnitudes: Vec<f32> = scales.iter().map(|scale| scale.abs()).collect();
            match expected.scales() {
                [one] if count > 1 => assert!(magnitudes.iter().all(|s| s == one), "{label}"),
                all => assert_eq!(magnitudes, all, "{label}"),
            }

            let codes = filled(gpu, &padded(expected.as_bytes(), packed_size(&codec)), 0);
            let scales = filled(gpu, bytemuck::cast_slice(&scales), 256);
            let mut from = GpuCodes::new(&codes, 0, count);
            if expected.scales().len() > 1
                || (count == 1 && codec.model().config().row_norm() != Some(RowNorm::Omit))
            {
                from = from.with_scales(&scales, 256);
            }
            let to = storage(gpu, GpuRows::<f32>::bytes(&model, count));
            let mut recorded = encoder(gpu);
            codec.record_decode(&mut recorded, from, GpuRows::<f32>::new(&to, 0, count)).unwrap();
            let found: Vec<f32> = bytemuck::pod_collect_to_vec(&submitted(gpu, recorded, &to));
            assert_eq!(found, codec.decode_flat(&expected).unwrap(), "{label}");

            let to = storage(gpu, GpuRows::<f16>::bytes(&model, count));
            let mut recorded = encoder(gpu);
            codec.record_decode(&mut recorded, from, GpuRows::<f16>::new(&to, 0, count)).unwrap();
            let found: Vec<f16> = bytemuck::pod_collect_to_vec(&submitted(gpu, recorded, &to));
            let width = dim.next_multiple_of(4);
            let found: Vec<f16> = found.chunks(width).flat_map(|r| &r[..dim]).copied().collect();
            assert_eq!(found, codec.decode_flat_f16(&expected).unwrap(), "{label}");
        }
    }
}

/// Two recordings before either is submitted, and the first one submitted last; then one encoder that encodes and
/// decodes.
fn recordings_share_memory_in_any_order(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    let model = models().remove(3);
    let (codec, dim) = (codec(engine, &model), model.config().dim);
    let batches: Vec<Vec<f32>> = [4, 5].map(|seed| bit_codes::rows(300, dim, seed)).into();
    let from: Vec<Buffer> =
        batches.iter().map(|rows| filled(gpu, bytemuck::cast_slice(rows), 0)).collect();
    let room = |bytes| storage(gpu, bytes);
    let codes: Vec<Buffer> = (0..2).map(|_| room(GpuCodes::bytes(&model, 300))).collect();
    let scales: Vec<Buffer> = (0..2).map(|_| room(GpuCodes::scale_bytes(300))).collect();
    let of = |n: usize| GpuCodes::new(&codes[n], 0, 300).with_scales(&scales[n], 0);
    let rows = |buffer| GpuRows::<f32>::new(buffer, 0, 300);
    let mut recorded = [0, 1].map(|n| {
        let mut recorded = encoder(gpu);
        codec.record_encode(&mut recorded, rows(&from[n]), of(n)).unwrap();
        Some(recorded)
    });
    for n in [1, 0] {
        let found = submitted(gpu, recorded[n].take().unwrap(), &codes[n]);
        let expected = codec.encode_flat(&batches[n]).unwrap();
        let size = packed_size(&codec);
        assert_eq!(unpadded(&found, size), expected.as_bytes(), "batch {n}");
    }
    let decoded = room(GpuRows::<f32>::bytes(&model, 300));
    let mut both = encoder(gpu);
    codec.record_encode(&mut both, rows(&from[0]), of(1)).unwrap();
    codec.record_decode(&mut both, of(1), rows(&decoded)).unwrap();
    let found: Vec<f32> = bytemuck::pod_collect_to_vec(&submitted(gpu, both, &decoded));
    let expected = codec.encode_flat(&batches[0]).unwrap();
    assert_eq!(found, codec.decode_flat(&expected).unwrap());
}

fn rows_that_are_not_finite_show_in_their_scales(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    for model in models() {
        let (codec, dim) = (codec(engine, &model), model.config().dim);
        let mut rows = bit_codes::rows(100, dim, 4);
        let good = codec.encode_flat(&rows).unwrap();
        rows[7 * dim + 3] = f32::NAN;
        rows[90 * dim] = f32::INFINITY;
        let buffer = filled(gpu, bytemuck::cast_slice(&rows), OFFSET);
        let [codes, scales] = encoded(&codec, engine, &buffer, 100);
        let scales: Vec<f32> = bytemuck::pod_collect_to_vec(&scales);
        let size = packed_size(&codec);
        for (row, code) in unpadded(&codes, size).chunks(size).enumerate() {
            let is_bad = [7, 90].contains(&row);
            assert_eq!(is_bad, !scales[row].is_finite(), "{:?} row {row}", model.config());
            assert!(is_bad || code == &good.as_bytes()[row * size..][..size], "row {row}");
        }
    }
}

/// On a device of its own, which is destroyed.
fn a_lost_device_records_nothing(_: &CodecOptions) {
    let model = identity(8);
    let gpu = Gpu::new().unwrap();
    let codec = codec(&cpu().with_engine(Engine::Gpu(gpu.clone())), &model);
    let index =
        Index::new(&codec, Codes::from_parts(&model, vec![1; 80], 1.0).unwrap(), Metric::L2);
    let index = index.unwrap();
    let [rows, codes, scales] = [(); 3].map(|()| storage(&gpu, 1024));
    let from = GpuRows::<f32>::new(&rows, 0, 10);
    let to = GpuCodes::new(&codes, 0, 10).with_scales(&scales, 0);
    let mut recorded = encoder(&gpu);
    gpu.device().destroy();
    for _ in 0..2 {
        let lost = [
            codec.record_encode(&mut recorded, from, to).unwrap_err(),
            codec.record_decode(&mut recorded, to, from).unwrap_err(),
            index.record_search(&mut recorded, from, 3, GpuHits::new(&codes, 0)).err().unwrap(),
        ];
        lost.iter().for_each(|error| assert!(matches!(error, Error::DeviceLost { .. }), "{error}"));
    }
    codec.recover().unwrap();
    let gpu = codec.gpu().unwrap();
    let [rows, codes, scales] = [(); 3].map(|()| storage(&gpu, 1024));
    let from = GpuRows::<f32>::new(&rows, 0, 10);
    let to = GpuCodes::new(&codes, 0, 10).with_scales(&scales, 0);
    let mut recorded = encoder(&gpu);
    gpu.queue().write_buffer(&rows, 0, bytemuck::cast_slice(&[0.25f32; 80]));
    codec.record_encode(&mut recorded, from, to).unwrap();
    assert_eq!(submitted(&gpu, recorded, &codes)[..80], [127; 80]);
}

/// Also codes of regions that the model does not have.
fn any_bytes_are_decoded(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    for model in models() {
        let codec = codec(engine, &model);
        let bytes: Vec<u8> =
            (0..GpuCodes::bytes(&model, 500) as u32).map(|i| (i * i / 7) as u8).collect();
        let codes = filled(gpu, &bytes, 0);
        let scales = filled(gpu, bytemuck::cast_slice(&[0.5f32; 500]), 0);
        let from = GpuCodes::new(&codes, 0, 500).with_scales(&scales, 0);
        let rows = storage(gpu, GpuRows::<f32>::bytes(&model, 500));
        let mut recorded = encoder(gpu);
        codec.record_decode(&mut recorded, from, GpuRows::<f32>::new(&rows, 0, 500)).unwrap();
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(&submitted(gpu, recorded, &rows));
        assert!(found.iter().all(|value| value.is_finite()), "{:?}", model.config());
    }
}

fn recordings_that_cannot_be_are_refused(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    let model = identity(8);
    let codec = codec(engine, &model);
    let count = 10;
    let rows = storage(gpu, 1024);
    let codes = storage(gpu, 1024);
    let scales = storage(gpu, 1024);
    let usage = BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let descriptor = BufferDescriptor { label: None, size: 1024, usage, mapped_at_creation: false };
    let copied_only = gpu.device().create_buffer(&descriptor);
    let from = GpuRows::<f32>::new(&rows, 0, count);
    let to = GpuCodes::new(&codes, 0, count).with_scales(&scales, 0);
    let mut recorded = encoder(gpu);
    let mut refused = |from: GpuRows<'_>, to: GpuCodes<'_>, parts: &[&str]| {
        let error = codec.record_encode(&mut recorded, from, to).unwrap_err();
        assert_says(&error, ErrorKind::Input, parts);
        let error = codec.record_decode(&mut recorded, to, from).unwrap_err();
        assert_says(&error, ErrorKind::Input, parts);
    };
    let new = GpuRows::<f32>::new;
    refused(new(&rows, 0, 0), to, &["empty", "8 values"]);
    refused(new(&rows, 0, 9), to, &["10 rows of codes for 9 rows"]);
    refused(new(&copied_only, 0, count), to, &["buffer of rows", "STORAGE"]);
    refused(new(&rows, 4, count), to, &["rows begin at byte 4", "multiples of"]);
    refused(new(&rows, 768, count), to, &["rows need", "1088", "1024 bytes"]);
    refused(new(&rows, u64::MAX - 255, count), to, &["rows need", "1024 bytes"]);
    refused(
        from,
        GpuCodes::new(&codes, 1024, count).with_scales(&scales, 0),
        &["codes need", "1104"],
    );
    refused(from, GpuCodes::new(&codes, 0, count), &["scale per row", "with_scales"]);
    refused(
        from,
        GpuCodes::new(&codes, 0, count).with_scales(&scales, 3),
        &["scales begin at byte 3"],
    );
    refused(
        from,
        GpuCodes::new(&codes, 0, count).with_scales(&scales, 1024),
        &["scales need", "1064"],
    );
    refused(from, GpuCodes::new(&rows, 512, count).with_scales(&scales, 0), &["in one buffer"]);
    refused(from, GpuCodes::new(&codes, 0, count).with_scales(&rows, 512), &["in one buffer"]);
    let many = usize::MAX;
    refused(
        new(&rows, 0, many),
        GpuCodes::new(&codes, 0, many).with_scales(&scales, 0),
        &["1024 bytes"],
    );

    let on_cpu = crate::engines::codec(&cpu(), &model);
    let error = on_cpu.record_encode(&mut recorded, from, to).unwrap_err();
    assert_says(&error, ErrorKind::Input, &["CPU engine", "Engine::Gpu"]);
    let index =
        Index::new(&on_cpu, Codes::from_parts(&model, vec![1; 80], 1.0).unwrap(), Metric::L2);
    let error = index.unwrap().record_search(&mut recorded, from, 3, GpuHits::new(&codes, 0));
    assert_says(&error.err().unwrap(), ErrorKind::Input, &["CPU engine"]);

    // The encoder is as it was, and the codec records.
    gpu.queue().write_buffer(&rows, 0, bytemuck::cast_slice(&[0.25f32; 80]));
    codec.record_encode(&mut recorded, from, to).unwrap();
    let found = submitted(gpu, recorded, &codes);
    assert_eq!(found[..80], [127; 80]);
}
