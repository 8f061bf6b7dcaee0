//! The choice of an engine, devices that callers open, and devices with small limits.

use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Waker};

use vecodec::wgpu::{
    self, Adapter, Backends, BufferDescriptor, BufferUsages, Device, DeviceDescriptor, Features,
    Instance, InstanceDescriptor, Limits, PollType, Queue,
};
use vecodec::{
    Codec, CodecOptions, Codes, Engine, EngineKind, Error, Gpu, Index, Metric, Model, ModelConfig,
};

use crate::buffers::gpu_of;
use crate::compare::{ATOL, Report, all_agree, assert_error, assert_same_bits};
use crate::data::{Case, identity, model};
use crate::engines::{codec, cpu, gpu, gpu_suite};
use crate::oracle;

gpu_suite!(gpu:
    engines_describe_themselves,
    automatic_choice_is_never_a_software_adapter,
    many_codecs_share_a_device,
    devices_of_callers_are_shared,
    errors_of_callers_reach_their_handler,
    errors_of_the_library_reach_no_handler,
    small_limits_make_small_chunks,
    limits_too_small_for_a_row_are_reported,
    weights_beyond_a_binding_are_reported,
    listed_adapters_can_be_opened,
    small_limits_make_small_shards,
);

fn listed_adapters_can_be_opened(engine: &CodecOptions) {
    let wanted = gpu_of(engine).adapter_info().name.clone();
    let all = Gpu::list().unwrap();
    let found = all.iter().find(|adapter| adapter.get_info().name == wanted).expect("it is there");
    let opened = Gpu::open(found).unwrap();
    assert_eq!(opened.adapter_info().name, wanted);
    let model = identity(4);
    let codes = codec(&cpu(), &model).encode_flat(&[0.5f32, -0.25, 0.125, 1.0]).unwrap();
    let decode = |options: &CodecOptions| codec(options, &model).decode_flat(&codes).unwrap();
    assert_eq!(decode(&cpu().with_engine(Engine::Gpu(opened))), decode(&cpu()));
}

/// An index of more bytes than one binding holds, and lists of more bytes than a binding holds.
fn small_limits_make_small_shards(engine: &CodecOptions) {
    let options = limited(engine, |limits| limits.max_storage_buffer_binding_size = 128 << 10);
    let model = identity(4);
    let random = |i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8 as i8;
    let packed = (0..4 * 30_000).map(|i| random(i).max(-127) as u8).collect();
    let codes = Codes::from_parts(&model, packed, 0.01).unwrap();
    let queries: Vec<f32> = (0..4 * 9).map(|i| (i as f32).sin()).collect();
    let [small, whole] = [&options, &cpu()]
        .map(|options| Index::new(&codec(options, &model), codes.clone(), Metric::Cosine).unwrap());
    for k in [5, 300] {
        let expected = whole.search(&queries, k).unwrap();
        assert_eq!(small.search(&queries, k).unwrap(), expected, "k {k}");
    }
}

static INSTANCE: LazyLock<Instance> =
    LazyLock::new(|| Instance::new(InstanceDescriptor::new_without_display_handle_from_env()));

/// A caller's device on the adapter that the other tests use.
pub fn device(like: &Gpu, change: impl FnOnce(&mut Limits)) -> (Device, Queue) {
    device_with(like, Features::empty(), change)
}

pub fn device_with(
    like: &Gpu,
    required_features: Features,
    change: impl FnOnce(&mut Limits),
) -> (Device, Queue) {
    let wanted = like.adapter_info();
    let all = pollster::block_on(INSTANCE.enumerate_adapters(Backends::all()));
    let same = |adapter: &Adapter| {
        let info = adapter.get_info();
        (&info.name, info.backend) == (&wanted.name, wanted.backend)
    };
    let adapter = all.into_iter().find(same).expect("it was there before");
    let mut required_limits = Limits::default();
    change(&mut required_limits);
    let descriptor = DeviceDescriptor { required_features, required_limits, ..Default::default() };
    pollster::block_on(adapter.request_device(&descriptor)).unwrap()
}

/// The engine's adapter, with a caller's device of other limits.
pub fn limited(engine: &CodecOptions, change: impl FnOnce(&mut Limits)) -> CodecOptions {
    let (device, queue) = device(gpu_of(engine), change);
    cpu().with_engine(Engine::Gpu(Gpu::from_device(device, queue).unwrap()))
}

const fn assert_shared<T: Clone + Send + Sync>() {}
const _: () = assert_shared::<Codec>();
const _: () = assert_shared::<Gpu>();
const _: () = assert_shared::<Model>();

fn engines_describe_themselves(engine: &CodecOptions) {
    let info = codec(engine, &identity(3)).engine();
    assert_eq!(info.kind, EngineKind::Gpu);
    assert_eq!(info.name, gpu_of(engine).adapter_info().name);
    assert!(info.to_string().contains(&info.name), "{info}");
    let info = codec(&cpu(), &identity(3)).engine();
    assert_eq!(info.kind, EngineKind::Cpu);
    assert!(info.to_string().contains("cpu") && !info.to_string().contains('\n'), "{info}");
}

fn automatic_choice_is_never_a_software_adapter(engine: &CodecOptions) {
    let best = codec(engine, &identity(3)).engine();
    let chosen = Codec::new(identity(3)).unwrap().engine();
    assert!(!chosen.software, "{chosen:?}");
    let expected = if best.software { EngineKind::Cpu } else { EngineKind::Gpu };
    assert_eq!(chosen.kind, expected, "{chosen:?} where {best:?} is the best adapter");
    assert_eq!(chosen.fallback.is_some(), best.software, "{chosen:?}");
}

fn many_codecs_share_a_device(engine: &CodecOptions) {
    let codecs: Vec<_> = (1..20).map(|dim| codec(engine, &identity(dim))).collect();
    for (dim, codec) in (1..).zip(&codecs) {
        let row: Vec<f32> = (0..dim).map(|i| 127.0 - i as f32).collect();
        let codes = codec.encode(&[&row]).unwrap();
        assert_eq!(codec.decode(&codes).unwrap(), [row]);
    }
}

fn devices_of_callers_are_shared(engine: &CodecOptions) {
    let case = Case::new(40, 13, 300).bias().relu().normalized();
    let model = case.model();
    let rows = case.rows(&model);
    // Also a caller's device: the adapter's own device may have cooperative matrices.
    let expected = codec(&limited(engine, |_| {}), &model).encode_flat(&rows).unwrap();

    let (device, queue) = device(gpu_of(engine), |_| {});
    let shared = Gpu::from_device(device.clone(), queue.clone()).unwrap();
    let options = cpu().with_engine(Engine::Gpu(shared));
    let codec = codec(&options, &model);
    drop(options);
    assert_eq!(codec.encode_flat(&rows).unwrap(), expected);
    let flat = codec.decode_flat(&expected).unwrap();
    // The caller submits work while the codec exists and after it was dropped.
    queue.submit([device.create_command_encoder(&Default::default()).finish()]);
    assert_same_bits(&codec.decode_flat(&expected).unwrap(), &flat, "after the caller's work");
    drop(codec);
    queue.submit([device.create_command_encoder(&Default::default()).finish()]);
}

/// Collects the errors that reach the device's handler.
fn collect_errors(gpu: &Gpu) -> Arc<Mutex<Vec<String>>> {
    let errors: Arc<Mutex<Vec<String>>> = Arc::default();
    let received = errors.clone();
    gpu.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        received.lock().unwrap().push(error.to_string());
    }));
    errors
}

/// A buffer without a usage, which wgpu refuses.
fn make_a_mistake(gpu: &Gpu) {
    let (size, usage) = (16, BufferUsages::empty());
    let label = Some("the caller's mistake");
    let descriptor = BufferDescriptor { label, size, usage, mapped_at_creation: false };
    let _refused = gpu.device().create_buffer(&descriptor);
}

fn errors_of_callers_reach_their_handler(engine: &CodecOptions) {
    let gpu = Gpu::new().unwrap();
    let errors = collect_errors(&gpu);
    make_a_mistake(&gpu);
    let only = |count| {
        let errors = errors.lock().unwrap();
        let named = errors.iter().filter(|error| error.contains("the caller's mistake")).count();
        assert_eq!((errors.len(), named), (count, count), "{errors:?}");
    };
    only(1);
    // A codec on the device changes nothing, neither while it works nor afterwards.
    let codec = codec(&engine.clone().with_engine(Engine::Gpu(gpu.clone())), &identity(4));
    make_a_mistake(&gpu);
    only(2);
    let codes = codec.encode(&[[1.0, 2.0, 3.0, 4.0]]).unwrap();
    let mut decode = Box::pin(codec.decode_flat_async(&codes));
    let poll = decode.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    make_a_mistake(&gpu);
    only(3);
    if poll.is_pending() {
        assert_eq!(pollster::block_on(decode).unwrap().len(), 4);
    } else {
        drop(decode);
    }
    drop(codec);
    make_a_mistake(&gpu);
    only(4);
}

fn errors_of_the_library_reach_no_handler(engine: &CodecOptions) {
    // A caller's device with tight limits, so that a model of 100 x 100 weights exceeds one.
    let options = limited(engine, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
    let gpu = gpu_of(&options).clone();
    let errors = collect_errors(&gpu);
    let error = Codec::with_options(identity(100), options.clone()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    let case = Case::new(40, 13, 5000).bias().relu();
    let model = case.model();
    let rows = case.rows(&model);
    let codec = codec(&options, &model);
    let codes = codec.encode_flat(&rows).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    // Errors that the library expects: of rows, and of codes.
    let mut bad = rows.clone();
    bad[4999 * case.dim] = f32::NAN;
    assert!(codec.encode_flat(&bad).is_err());
    assert!(crate::engines::codec(&options, &identity(3)).decode(&codes).is_err());
    // Futures dropped at any point of their work, and views that are left unread.
    for polls in 0..6 {
        let mut encode = Box::pin(codec.encode_flat_async(&rows));
        let mut decode = Box::pin(codec.decode_flat_async(&codes));
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if encode.as_mut().poll(&mut context).is_ready()
                || decode.as_mut().poll(&mut context).is_ready()
            {
                break;
            }
        }
        drop((encode, decode));
        drop(codec.decode_mapped(&codes).unwrap().next());
    }
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &flat, "after dropped futures");
    drop(codec);
    gpu.device().poll(PollType::wait_indefinitely()).unwrap();
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

/// Lowers every limit that decides the size of chunks, so that a batch takes many chunks.
fn small_limits_make_small_chunks(engine: &CodecOptions) {
    type Change = fn(&mut Limits);
    let tight: [(&str, Change); 4] = [
        ("bindings of 16 KiB", |limits| limits.max_storage_buffer_binding_size = 16 << 10),
        ("buffers of 24 KiB", |limits| limits.max_buffer_size = 24 << 10),
        ("3 workgroups", |limits| limits.max_compute_workgroups_per_dimension = 3),
        ("everything at once", |limits| {
            limits.max_storage_buffer_binding_size = 8 << 10;
            limits.max_buffer_size = 16 << 10;
            limits.max_compute_workgroups_per_dimension = 2;
        }),
    ];
    all_agree(|report| {
        for (name, change) in tight {
            let engine = limited(engine, change);
            for case in [
                Case::new(40, 24, 3001).bias().relu(),
                Case::new(3, 7, 5000).bias().normalized(),
                Case::new(90, 13, 777).relu().normalized(),
                Case::new(1, 1, 30_000),
            ] {
                let label = format!("{name}: {case}");
                if let Err(error) = agrees(report, &label, &engine, case) {
                    report.fail(format!("{label}: {error}"));
                }
            }
        }
    });
}

fn agrees(
    report: &mut Report,
    label: &str,
    engine: &CodecOptions,
    case: Case,
) -> vecodec::Result<()> {
    let model = case.model();
    let rows = case.rows(&model);
    let codec = Codec::with_options(model.clone(), engine.clone())?;
    let codes = codec.encode_flat(&rows)?;
    report.codes(label, &oracle::encode(&model, &rows), &codes);
    let decoded = codec.decode_flat(&codes)?;
    report.rows(label, &oracle::decode(&model, &codes), &decoded, case.dim, ATOL);
    let latents = codec.encode_latent(&rows)?;
    report.rows(label, &oracle::latents(&model, &rows), &latents, case.latent, ATOL);
    Ok(())
}

fn limits_too_small_for_a_row_are_reported(engine: &CodecOptions) {
    let engine = limited(engine, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
    for (dim, latent) in [(5000, 1), (1, 5000)] {
        let model = model(ModelConfig::int8(dim, latent), false, 141);
        let error = Codec::with_options(model, engine.clone()).unwrap_err();
        assert!(
            matches!(error, Error::Limit { required, available: 16384, .. } if required > 16384),
            "{dim} -> {latent}: {error:?}"
        );
    }
    // The device still works.
    assert_eq!(codec(&engine, &identity(4)).encode(&[[1.0; 4]]).unwrap().row_count(), 1);
}

/// A limit that each row meets and the weights exceed.
fn weights_beyond_a_binding_are_reported(engine: &CodecOptions) {
    let engine = limited(engine, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
    let model = identity(100);
    let rows: Vec<f32> = (0..1000).map(|i| 127.0 - (i % 100) as f32).collect();
    let error = Codec::with_options(model.clone(), engine.clone()).unwrap_err();
    // 100 x 100 values of four bytes, and the padding of a layout with tiles.
    assert_error!(
        error,
        Error::Limit {
            what: "bytes of one binding for weights",
            required: 40_000..60_000,
            available: 16_384,
            ..
        },
        "16384"
    );
    assert_eq!(codec(&engine, &identity(4)).encode(&[[1.0; 4]]).unwrap().row_count(), 1);
    assert_eq!(codec(&gpu(), &model).encode_flat(&rows).unwrap().row_count(), 10);
}
