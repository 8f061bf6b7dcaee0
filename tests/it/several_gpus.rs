//! Several devices that share the work of a codec and the rows of an index, and rows that no device has room for. Where
//! the tests run, the devices may be of one adapter.

use vecodec::wgpu::{CommandEncoderDescriptor, Features, Limits};
use vecodec::{
    Codec, CodecOptions, Coding, Engine, Error, ErrorKind, Filter, Gpu, GpuHits, GpuRows, Index,
    Metric, Model, ModelConfig, Regions, SearchOptions,
};

use crate::bit_codes::rows;
use crate::buffers::{gpu_of, storage};
use crate::compare::assert_same_bits;
use crate::devices::device_with;
use crate::engines::{codec, cpu, gpu_suite};

gpu_suite!(gpu:
    results_are_those_of_one,
    an_index_lies_on_all_of_them,
    rows_without_room_are_read_through_the_link,
    a_device_that_reads_no_memory_of_the_host_says_so,
    a_lost_one_is_replaced,
    lists_of_numbers_are_several,
    calls_that_need_one_say_so,
);

const DIM: usize = 24;

/// Devices with small limits, so that a batch has many chunks and an index many shards.
fn devices(engine: &CodecOptions, count: usize) -> Vec<Gpu> {
    devices_with(engine, count, Features::empty())
}

fn devices_with(engine: &CodecOptions, count: usize, features: Features) -> Vec<Gpu> {
    let small = |_| {
        let limits = |limits: &mut Limits| {
            limits.max_storage_buffer_binding_size = 128 << 10;
        };
        let (device, queue) = device_with(gpu_of(engine), features, limits);
        Gpu::from_device(device, queue).unwrap()
    };
    (0..count).map(small).collect()
}

fn on(gpus: &[Gpu], model: &Model) -> Codec {
    codec(&cpu().with_engine(Engine::Gpus(gpus.to_vec())), model)
}

fn models() -> [Model; 2] {
    let bits = ModelConfig::bits(DIM, 9).with_coding(Coding::Trellis { states: 16 });
    let configs = [ModelConfig::int8(DIM, 11).into(), bits.with_regions(Regions::Count(3)).into()];
    configs.map(|config: ModelConfig| Model::fit(&rows(500, DIM, 3), config).unwrap())
}

fn results_are_those_of_one(engine: &CodecOptions) {
    let gpus = devices(engine, 3);
    let rows = rows(10_007, DIM, 4);
    for model in models() {
        let (one, three) = (on(&gpus[..1], &model), on(&gpus, &model));
        assert_eq!((one.engine().gpus, three.engine().gpus), (1, 3));
        assert!(three.engine().to_string().starts_with("3 GPUs, the first "), "{}", three.engine());
        let codes = one.encode_flat(&rows).unwrap();
        assert_eq!(three.encode_flat(&rows).unwrap(), codes);
        let decoded = one.decode_flat(&codes).unwrap();
        assert_same_bits(&three.decode_flat(&codes).unwrap(), &decoded, "flat");
        assert_same_bits(&three.decode(&codes).unwrap().concat(), &decoded, "nested");
        let future = three.decode_flat_async(&codes);
        assert_same_bits(&pollster::block_on(future).unwrap(), &decoded, "a future");
        assert_eq!(three.decode_flat_f16(&codes).unwrap(), one.decode_flat_f16(&codes).unwrap());
        let views = three.decode_mapped(&codes).unwrap().map(|view| view.unwrap().to_vec());
        assert_same_bits(&views.collect::<Vec<_>>().concat(), &decoded, "views");
        let latents = one.encode_latent_with_regions(&rows).unwrap();
        assert_eq!(three.encode_latent_with_regions(&rows).unwrap(), latents);

        // All of them have worked, and the second call finds their buffers.
        let before = three.stats();
        assert!(before.pool_misses > one.stats().pool_misses, "{before:?}");
        let mut out = vec![0.0f32; decoded.len()];
        three.decode_into(&codes, &mut out).unwrap();
        let first = three.stats();
        three.decode_into(&codes, &mut out).unwrap();
        assert_eq!(three.stats().buffers_created, first.buffers_created);
        assert_same_bits(&out, &decoded, "a slice");
    }
}

fn an_index_lies_on_all_of_them(engine: &CodecOptions) {
    let gpus = devices(engine, 3);
    let rows = rows(20_011, DIM, 5);
    for model in models() {
        let (alone, one, three) =
            (codec(&cpu(), &model), on(&gpus[..1], &model), on(&gpus, &model));
        let codes = alone.encode_flat(&rows).unwrap();
        let [expected, one, three] = [&alone, &one, &three].map(|codec| {
            let index = Index::new(codec, codes.slice(0..20_000).unwrap(), Metric::Cosine).unwrap();
            // Fewer rows than there are devices, and rows that are gone.
            index.append(codes.slice(20_000..20_002).unwrap()).unwrap();
            index.append(codes.slice(20_002..20_011).unwrap()).unwrap();
            index.remove(&(0..20_000).step_by(3).collect::<Vec<u64>>()).unwrap();
            index
        });
        // The rows are divided, not copied; each part may end with a tile that is not full.
        let spare = 2 * 3 * 1024 * model.config().code_size() as u64;
        assert!(three.bytes() < one.bytes() + spare, "{} and {}", three.bytes(), one.bytes());
        for (count, k) in [(1, 10), (2, 2048), (40, 7)] {
            let queries = &rows[..count * DIM];
            let hits = expected.search(queries, k).unwrap();
            assert_eq!(three.search(queries, k).unwrap(), hits, "{count} queries, k {k}");
        }
        let words: Vec<u64> = (0..20_011u64.div_ceil(64)).map(|word| word | word << 40).collect();
        let filtered = |index: &Index| {
            let filter = Filter::Rows(&words);
            let options = SearchOptions::default().with_filter(filter);
            index.search_with(&rows[..5 * DIM], 30, options).unwrap()
        };
        assert_eq!(filtered(&three), filtered(&expected));
    }
}

fn rows_without_room_are_read_through_the_link(engine: &CodecOptions) {
    // The library's own devices have what this needs, and a caller's may not.
    let gpus = devices_with(engine, 2, Features::MAPPABLE_PRIMARY_BUFFERS);
    let rows = rows(40_000, DIM, 8);
    for model in models() {
        let alone = codec(&cpu(), &model);
        let codes = alone.encode_flat(&rows).unwrap();
        let expected = Index::new(&alone, codes.clone(), Metric::Cosine).unwrap();
        for engine in [Engine::Gpu(gpus[0].clone()), Engine::Gpus(gpus.clone())] {
            let count = if matches!(engine, Engine::Gpu(_)) { 1 } else { 2 };
            let options = cpu().with_engine(engine).with_gpu_memory(300_000);
            let codec = codec(&options, &model);
            let index = Index::new(&codec, codes.clone(), Metric::Cosine).unwrap();
            // A device has two shards at least, and some have no room.
            let (link, all) = (index.link_bytes(), index.bytes() - expected.bytes());
            let on_device = all - link;
            assert!(0 < on_device && on_device <= 300_000 * count && link > 0, "{link} of {all}");
            for (count, k) in [(1, 10), (3, 2000), (40, 7)] {
                let queries = &rows[..count * DIM];
                let hits = expected.search(queries, k).unwrap();
                assert_eq!(index.search(queries, k).unwrap(), hits, "{count} queries, k {k}");
            }
            // What an index held is free for the next one.
            drop(index);
            let few = Index::new(&codec, codes.slice(0..2000).unwrap(), Metric::Cosine).unwrap();
            assert_eq!(few.link_bytes(), 0);
        }
    }
}

fn a_device_that_reads_no_memory_of_the_host_says_so(engine: &CodecOptions) {
    let options = cpu().with_engine(Engine::Gpus(devices(engine, 1))).with_gpu_memory(300_000);
    let [model, _] = models();
    let codec = codec(&options, &model);
    let codes = codec.encode_flat(&rows(40_000, DIM, 8)).unwrap();
    let index = Index::empty(&codec, Metric::L2);
    let error = index.append(codes.clone()).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error:?}");
    assert!(error.to_string().contains("300000 bytes for rows of indexes"), "{error}");
    index.append(codes.slice(0..5000).unwrap()).unwrap();
    assert_eq!(index.len(), 5000);
}

fn a_lost_one_is_replaced(_: &CodecOptions) {
    let gpus = [Gpu::new().unwrap(), Gpu::new().unwrap()];
    let [model, _] = models();
    let rows = rows(3000, DIM, 6);
    let codec = on(&gpus, &model);
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    let index = Index::new(&codec, codes.clone(), Metric::L2).unwrap();
    let hits = index.search(&rows[..4 * DIM], 5).unwrap();
    gpus[1].device().destroy();
    let error = index.search(&rows[..4 * DIM], 5).unwrap_err();
    assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
    codec.recover().unwrap();
    assert_eq!(codec.engine().gpus, 2);
    assert_eq!(index.search(&rows[..4 * DIM], 5).unwrap(), hits);
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &decoded, "recovered");

    // Devices that are not lost stay as they are, with what they hold.
    let before = codec.stats().bytes_idle;
    codec.recover_on(Engine::Gpu(codec.gpu().unwrap())).unwrap();
    assert!(0 < codec.stats().bytes_idle && codec.stats().bytes_idle <= before);
    assert_eq!(index.search(&rows[..4 * DIM], 5).unwrap(), hits);
}

fn lists_of_numbers_are_several(_: &CodecOptions) {
    assert!(matches!(Engine::find("0").unwrap(), Engine::Gpu(_)));
    assert!(matches!(Engine::find("0, 0").unwrap(), Engine::Gpus(gpus) if gpus.len() == 2));
    // A name may have commas.
    let name = Gpu::new().unwrap().adapter_info().name.clone();
    assert!(matches!(Engine::find(&name).unwrap(), Engine::Gpu(_)), "{name}");
    for wrong in ["nonesuch, 256 bits", "0,77"] {
        let error = Engine::find(wrong).unwrap_err();
        assert!(matches!(error, Error::NoAdapter { .. }), "{wrong}: {error:?}");
    }
}

fn calls_that_need_one_say_so(engine: &CodecOptions) {
    let gpus = devices(engine, 2);
    let [model, _] = models();
    let none = CodecOptions::default().with_engine(Engine::Gpus(Vec::new()));
    let error = Codec::with_options(model.clone(), none).unwrap_err();
    assert!(error.to_string().contains("Engine::Gpus is 0"), "{error}");

    let codec = on(&gpus, &model);
    let codes = codec.encode_flat(&rows(100, DIM, 7)).unwrap();
    let index = Index::new(&codec, codes, Metric::InnerProduct).unwrap();
    let device = gpus[0].device();
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
    let queries = storage(&gpus[0], GpuRows::<f32>::bytes(&model, 1));
    let hits = storage(&gpus[0], GpuHits::bytes(1, 3));
    let queries = GpuRows::<f32>::new(&queries, 0, 1);
    let error =
        index.record_search(&mut encoder, queries, 3, GpuHits::new(&hits, 0)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("2 GPUs of a recorded search"), "{error}");
}
