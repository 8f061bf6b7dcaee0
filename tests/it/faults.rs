//! Devices that are lost, and memory that is full: every call says so, nothing panics, and the codec
//! comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vecodec::wgpu::{BufferDescriptor, BufferUsages, Device, ErrorFilter, PollType};
use vecodec::{
    Codec, CodecOptions, Codes, Engine, EngineKind, Error, Gpu, Index, Metric, Model, f16,
};

use crate::compare::{assert_error, assert_same_bits};
use crate::data::Case;
use crate::devices::device;
use crate::engines::{codec, cpu, gpu_suite};
use crate::stress;

gpu_suite!(gpu:
    every_call_on_a_lost_device_says_so,
    a_codec_recovers_with_its_clones,
    a_device_lost_in_the_middle_of_calls,
    futures_of_a_lost_device_end,
    a_callers_callback_hides_no_loss,
    a_queue_of_another_device_is_refused,
    a_small_memory_makes_small_chunks,
    sixteen_threads_get_right_results_while_devices_are_lost,
    an_index_is_searched_again_after_a_loss,
);

fn an_index_is_searched_again_after_a_loss(_: &CodecOptions) {
    let Fixture { codec, gpu, rows, codes, .. } = Fixture::new(Gpu::new().unwrap());
    let index = Index::new(&codec, codes.clone(), Metric::Cosine).unwrap();
    let queries = &rows[..5 * 40];
    let expected = index.search(queries, 7).unwrap();
    gpu.device().destroy();
    lost("search", index.search(queries, 7));
    lost("append", index.append(codes));
    assert_eq!(index.len(), 3000);
    codec.recover().unwrap();
    assert_eq!(index.search(queries, 7).unwrap(), expected);
}

/// A codec with a device of its own, and codes for it.
struct Fixture {
    codec: Codec,
    gpu: Gpu,
    rows: Vec<f32>,
    codes: Codes,
    decoded: Vec<f32>,
}

impl Fixture {
    fn new(gpu: Gpu) -> Self {
        let (model, rows) = model_and_rows();
        let codec = codec(&cpu().with_engine(Engine::Gpu(gpu.clone())), &model);
        let codes = codec.encode_flat(&rows).unwrap();
        let decoded = codec.decode_flat(&codes).unwrap();
        Self { codec, gpu, rows, codes, decoded }
    }

    /// One on a device of the library's own and one on a caller's device.
    fn both(engine: &CodecOptions) -> [Self; 2] {
        [Self::new(Gpu::new().unwrap()), Self::new(callers(engine).1)]
    }

    fn assert_works(&self, codec: &Codec) {
        // Another device may have other kernels, whose sums are rounded otherwise.
        let decoded = codec.decode_flat(&self.codes).unwrap();
        assert_eq!(decoded.len(), self.decoded.len());
        for (a, b) in decoded.iter().zip(&self.decoded) {
            assert!((a - b).abs() < 1e-4, "{a} instead of {b}");
        }
        assert_eq!(codec.encode_flat(&self.rows).unwrap().row_count(), self.codes.row_count());
    }
}

fn model_and_rows() -> (Model, Vec<f32>) {
    let case = Case::new(40, 13, 3000).bias().relu();
    let model = case.model();
    let rows = case.rows(&model);
    (model, rows)
}

fn callers(engine: &CodecOptions) -> (Device, Gpu) {
    let Engine::Gpu(like) = &engine.engine else { panic!("{engine:?} is no GPU") };
    let (device, queue) = device(like, |_| {});
    let gpu = Gpu::from_device(device.clone(), queue).unwrap();
    (device, gpu)
}

fn lost<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(Error::DeviceLost { .. }) => {}
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what} succeeded on a lost device"),
    }
}

fn every_call_on_a_lost_device_says_so(engine: &CodecOptions) {
    for polls in [false, true] {
        for fixture in Fixture::both(engine) {
            let Fixture { codec, gpu, rows, codes, .. } = &fixture;
            let nested: Vec<&[f32]> = rows.chunks(40).collect();
            let latents = codec.encode_latent(rows).unwrap();
            let mut views = codec.decode_mapped(codes).unwrap();
            let held = views.next().unwrap().unwrap();
            gpu.device().destroy();
            if polls {
                let _lost = gpu.device().poll(PollType::Poll);
            }
            let (mut out, mut half) = (rows.clone(), vec![f16::ZERO; rows.len()]);
            lost("encode", codec.encode(&nested));
            lost("encode_flat", codec.encode_flat(rows));
            lost("encode_flat of f16", codec.encode_flat(&half));
            lost("encode_latent", codec.encode_latent(rows));
            lost("decode", codec.decode(codes));
            lost("decode_flat", codec.decode_flat(codes));
            lost("decode_flat_f16", codec.decode_flat_f16(codes));
            lost("decode_into", codec.decode_into(codes, &mut out));
            lost("decode_into of f16", codec.decode_into(codes, &mut half));
            lost("decode_latent", codec.decode_latent(&latents));
            lost("decode_breakdown", codec.decode_breakdown(codes));
            lost("kernel_times", codec.kernel_times(rows, 1));
            lost("evaluate", codec.evaluate(&nested));
            lost("warm_up", codec.warm_up());
            lost("decode_mapped", codec.decode_mapped(codes).unwrap().next().unwrap());
            lost("decode_async", pollster::block_on(codec.decode_async(codes)));
            lost("encode_async", pollster::block_on(codec.encode_async(&nested)));
            // What had arrived before the loss may still be viewed.
            for view in views.by_ref().filter(|view| view.is_err()) {
                lost("a view in the middle", view);
            }
            lost("a new codec", Codec::with_options(codec.model().clone(), options_of(gpu)));
            // What the device may have freed is not shown.
            assert!(held.is_empty() || held.len() == held.row_count() * 40);
            drop((held, views));
            codec.recover_on(Engine::Cpu).unwrap();
            fixture.assert_works(codec);
        }
    }
}

fn options_of(gpu: &Gpu) -> CodecOptions {
    cpu().with_engine(Engine::Gpu(gpu.clone()))
}

fn a_codec_recovers_with_its_clones(engine: &CodecOptions) {
    let fixture = Fixture::new(Gpu::new().unwrap());
    let (clone, other) =
        (fixture.codec.clone(), codec(&options_of(&fixture.gpu), fixture.codec.model()));
    fixture.codec.recover().unwrap();
    assert_eq!(fixture.codec.stats().recoveries, 0, "nothing was lost");
    fixture.gpu.device().destroy();
    lost("decode_flat", clone.decode_flat(&fixture.codes));
    fixture.codec.recover().unwrap();
    clone.recover().unwrap();
    assert_eq!(clone.stats().recoveries, 1);
    for codec in [&fixture.codec, &clone] {
        assert_eq!(codec.engine().kind, EngineKind::Gpu);
        let again = codec.decode_flat(&fixture.codes).unwrap();
        assert_same_bits(&again, &fixture.decoded, "after the recovery");
    }
    lost("another codec", other.decode_flat(&fixture.codes));
    other.recover().unwrap();
    fixture.assert_works(&other);

    // A caller's device is the caller's to replace.
    let (device, gpu) = callers(engine);
    let fixture = Fixture::new(gpu);
    device.destroy();
    lost("decode_flat", fixture.codec.decode_flat(&fixture.codes));
    let error = fixture.codec.recover().unwrap_err();
    assert_error!(error, Error::DeviceLost { .. }, "recover_on");
    fixture.codec.recover_on(Engine::Gpu(callers(engine).1)).unwrap();
    fixture.assert_works(&fixture.codec);
    assert_eq!(fixture.codec.stats().recoveries, 1);
}

fn a_device_lost_in_the_middle_of_calls(engine: &CodecOptions) {
    for fixture in Fixture::both(engine) {
        let (stop, done, failed) =
            (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        let count = |result: Result<bool, Error>| match result {
            Ok(right) => {
                assert!(right, "a wrong result beside a loss");
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::DeviceLost { .. }) => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error:?}"),
        };
        let Fixture { codec, gpu, rows, codes, decoded } = &fixture;
        thread::scope(|scope| {
            for worker in 0..6 {
                let (stop, count) = (&stop, &count);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        match worker % 3 {
                            0 => count(codec.decode_flat(codes).map(|flat| flat == *decoded)),
                            1 => count(codec.encode_flat(rows).map(|found| found == *codes)),
                            _ => {
                                let views: Result<Vec<_>, Error> =
                                    codec.decode_mapped(codes).unwrap().collect();
                                count(views.map(drop).map(|()| true));
                            }
                        }
                    }
                });
            }
            // A busy machine may take long until a first call is done.
            let start = Instant::now();
            while done.load(Ordering::Relaxed) == 0 && start.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(10));
            }
            thread::sleep(Duration::from_millis(150));
            gpu.device().destroy();
            thread::sleep(Duration::from_millis(150));
            stop.store(true, Ordering::Relaxed);
        });
        let (done, failed) = (done.into_inner(), failed.into_inner());
        assert!(done > 0 && failed >= 6, "{done} calls succeeded, {failed} failed");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| match codec.recover() {
                    Ok(()) => fixture.assert_works(codec),
                    Err(error) => lost("the caller's device", Err::<(), _>(error)),
                });
            }
        });
        assert!(codec.stats().recoveries <= 1);
    }
}

fn futures_of_a_lost_device_end(engine: &CodecOptions) {
    for fixture in Fixture::both(engine) {
        let Fixture { codec, gpu, codes, decoded, rows } = &fixture;
        let mut futures: Vec<_> =
            (0..4).map(|_| Box::pin(codec.decode_flat_async(codes))).collect();
        let mut encode = Box::pin(codec.encode_flat_async(rows));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let started: Vec<_> = futures.iter_mut().map(|f| f.as_mut().poll(&mut context)).collect();
        let encoding = encode.as_mut().poll(&mut context);
        gpu.device().destroy();
        for (future, started) in futures.into_iter().zip(started) {
            if started.is_pending() {
                match pollster::block_on(future) {
                    Ok(flat) => assert_same_bits(&flat, decoded, "a future beside a loss"),
                    Err(error) => lost("a future", Err::<(), _>(error)),
                }
            }
        }
        if encoding.is_pending() {
            let _either = pollster::block_on(encode);
        }
        lost("a later future", pollster::block_on(codec.decode_flat_async(codes)));
    }
}

/// A device has one callback for its loss, and the caller may take it.
fn a_callers_callback_hides_no_loss(_engine: &CodecOptions) {
    let fixture = Fixture::new(Gpu::new().unwrap());
    fixture.gpu.device().set_device_lost_callback(|_, _| {});
    fixture.gpu.device().destroy();
    lost("decode_flat", fixture.codec.decode_flat(&fixture.codes));
    fixture.codec.recover().unwrap();
    fixture.assert_works(&fixture.codec);
}

fn a_queue_of_another_device_is_refused(engine: &CodecOptions) {
    let Engine::Gpu(like) = &engine.engine else { panic!("{engine:?} is no GPU") };
    let ((device_a, queue_a), (device_b, queue_b)) = (device(like, |_| {}), device(like, |_| {}));
    let error = Gpu::from_device(device_a.clone(), queue_b.clone()).unwrap_err();
    assert_error!(error, Error::Gpu { .. }, "another device", "request_device");
    for (device, queue) in [(device_a, queue_a), (device_b, queue_b)] {
        let gpu = Gpu::from_device(device, queue).unwrap();
        drop(Fixture::new(gpu));
    }
}

fn a_small_memory_makes_small_chunks(engine: &CodecOptions) {
    let (model, rows) = model_and_rows();
    let whole = codec(engine, &model);
    let codes = whole.encode_flat(&rows).unwrap();
    let decoded = whole.decode_flat(&codes).unwrap();
    let latents = whole.encode_latent(&rows).unwrap();
    let mut chunks = 0;
    for budget in [4_000_000, 400_000, 40_000] {
        let small = codec(&engine.clone().with_gpu_memory(budget), &model);
        assert_eq!(small.encode_flat(&rows).unwrap(), codes, "{budget}");
        let flat = small.decode_flat(&codes).unwrap();
        assert_same_bits(&flat, &decoded, format!("{budget} bytes"));
        assert_eq!(small.decode(&codes).unwrap().concat(), decoded);
        assert_eq!(small.encode_latent(&rows).unwrap(), latents);
        assert_eq!(pollster::block_on(small.decode_flat_async(&codes)).unwrap(), decoded);
        let viewed: usize = small.decode_mapped(&codes).unwrap().map(|v| v.unwrap().len()).sum();
        assert_eq!(viewed, decoded.len());
        let stats = small.stats();
        assert!(stats.bytes_peak <= budget, "{budget}: {stats:?}");
        assert_eq!(stats.bytes_in_use, 0, "{budget}: {stats:?}");
        assert!(stats.pool_hits + stats.pool_misses > chunks, "{budget}: {stats:?}");
        chunks = stats.pool_hits + stats.pool_misses;
    }
    // Views that are held leave nothing for other calls.
    let small = codec(&engine.clone().with_gpu_memory(100_000), &model);
    let mut held = Vec::new();
    let error = small.decode_mapped(&codes).unwrap().find_map(|view| match view {
        Ok(view) => {
            held.push(view);
            None
        }
        Err(error) => Some(error),
    });
    assert_error!(
        error.unwrap(),
        Error::OutOfMemory { held: 1.., .. },
        "100000",
        "Drop mapped views"
    );
    drop(held);
    assert_same_bits(&small.decode_flat(&codes).unwrap(), &decoded, "after the views");
    let none = codec(&engine.clone().with_gpu_memory(1000), &model);
    assert_error!(none.decode_flat(&codes).unwrap_err(), Error::OutOfMemory { .. }, "1000 bytes");
}

fn sixteen_threads_get_right_results_while_devices_are_lost(engine: &CodecOptions) {
    let (time, loss) = (Duration::from_secs(6), Duration::from_secs(1));
    let report = stress::run(time, Some(loss), Gpu::new().unwrap(), callers(engine).1);
    assert!(report.devices_destroyed >= 2 && report.recoveries >= 1, "{report}");
    assert!(report.calls > 100 && report.bytes_compared > 1 << 20, "{report}");
    assert!(report.views > 0 && report.futures_dropped > 0, "{report}");
}

/// Fills the memory of the adapter with a caller's buffers, and decodes beside them.
#[test]
#[ignore = "takes all memory of a GPU, and a software adapter's is the machine's: run it by hand"]
fn a_full_gpu_is_an_error_and_no_loss() {
    let fixture = Fixture::new(Gpu::new().unwrap());
    let device = fixture.gpu.device();
    let mut fillers = Vec::new();
    for size in [1u64 << 30, 1 << 26, 1 << 22, 1 << 18] {
        loop {
            let scope = device.push_error_scope(ErrorFilter::OutOfMemory);
            let usage = BufferUsages::STORAGE;
            let descriptor =
                BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            let buffer = device.create_buffer(&descriptor);
            if pollster::block_on(scope.pop()).is_some() {
                break;
            }
            fillers.push(buffer);
        }
    }
    // More rows than the idle buffers of the codec have room for.
    let many = fixture.codes.select(&vec![7; 2_000_000]).unwrap();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..3 {
        match fixture.codec.decode_flat(&many) {
            Ok(rows) => {
                assert_eq!(rows.len(), 2_000_000 * 40);
                done += 1;
            }
            Err(Error::OutOfMemory { required: 1.., .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    println!("{} buffers fill the memory; {done} calls done, {refused} refused", fillers.len());
    drop(fillers);
    let _freed = device.poll(PollType::Poll);
    let rows = fixture.codec.decode_flat(&many).unwrap();
    assert_same_bits(&rows[..40], &fixture.decoded[7 * 40..8 * 40], "after the memory is free");
}
