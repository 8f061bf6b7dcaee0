//! GPU memory: reused between calls, bounded for any batch, and returned after errors.

use std::time::Instant;

use vecodec::wgpu::DeviceType;
use vecodec::{Codec, CodecOptions, Codes, Engine, MappedRows, Stats};

use crate::compare::assert_same_bits;
use crate::data::{Options, Random};
use crate::engines::{codec, cpu, gpu_suite};

gpu_suite!(gpu:
    same_batches_create_buffers_once,
    memory_does_not_grow_with_the_batch,
    held_views_are_in_use_until_dropped,
    errors_give_everything_back,
    pools_belong_to_codecs,
    idle_memory_is_bounded,
    timings_of_a_call_sum_to_at_most_its_duration,
    kernel_times_are_plausible,
);

const DIM: usize = 64;

fn fixture(engine: &CodecOptions, rows: usize) -> (Codec, Vec<f32>, Codes) {
    let codec = codec(engine, &Options::PLAIN.bias().model(DIM, 16, 131));
    let rows = Random::new(132).normals(1000 * DIM, 1.0).repeat(rows / 1000);
    let codes = codec.encode_flat(&rows).unwrap();
    (codec, rows, codes)
}

fn same_batches_create_buffers_once(engine: &CodecOptions) {
    let (codec, rows, codes) = fixture(engine, 60_000);
    let mut out = vec![0.0; rows.len()];
    codec.decode_into(&codes, &mut out).unwrap();
    let first = codec.stats();
    assert!(first.buffers_created > 0 && first.pool_misses > 0, "{first:?}");
    assert_eq!(first.bytes_in_use, 0, "{first:?}");
    assert!(first.bytes_idle > 0 && first.bytes_peak >= first.bytes_idle, "{first:?}");
    for _ in 0..3 {
        codec.decode_into(&codes, &mut out).unwrap();
        assert_eq!(codec.encode_flat(&rows).unwrap(), codes);
    }
    let last = codec.stats();
    assert_eq!(last.buffers_created, first.buffers_created, "{last:?}");
    assert_eq!(last.pool_misses, first.pool_misses, "{last:?}");
    assert_eq!(last.bytes_peak, first.bytes_peak, "{last:?}");
    assert!(last.pool_hits > first.pool_hits, "{last:?}");
    assert_eq!(last.bytes_in_use, 0, "{last:?}");
}

fn memory_does_not_grow_with_the_batch(engine: &CodecOptions) {
    let Engine::Gpu(gpu) = &engine.engine else { unreachable!("the suite is the GPU engine's") };
    // Enough rows to fill the ring. The chunks of a software adapter are smaller.
    let software = gpu.adapter_info().device_type == DeviceType::Cpu;
    let rows = if software { 150_000 } else { 1_200_000 };
    // Memory that grows with the batch would triple.
    let peak = |rows| {
        let (codec, rows, codes) = fixture(engine, rows);
        assert_eq!(codec.decode_flat(&codes).unwrap().len(), rows.len());
        codec.stats().bytes_peak
    };
    let (short, long) = (peak(rows), peak(3 * rows));
    assert!(
        long <= short + short / 4,
        "{short} bytes for {rows} rows, {long} for three times as many"
    );
}

fn held_views_are_in_use_until_dropped(engine: &CodecOptions) {
    let (codec, rows, codes) = fixture(engine, 100_000);
    let flat = codec.decode_flat(&codes).unwrap();
    let views: Vec<MappedRows> = codec.decode_mapped(&codes).unwrap().map(Result::unwrap).collect();
    let held = codec.stats();
    assert!(held.bytes_in_use >= size_of_val(&rows[..]) as u64, "{held:?}");
    assert!(held.bytes_peak >= held.bytes_in_use + held.bytes_idle, "{held:?}");
    let mut out = Vec::new();
    views.iter().for_each(|view| out.extend_from_slice(view));
    assert_same_bits(&out, &flat, "held views");
    // The last view holds only its own memory.
    let mut views = views;
    views.drain(1..);
    let one = codec.stats().bytes_in_use;
    assert!(one > 0 && one <= held.bytes_in_use, "{one} of {held:?}");
    drop(views);
    assert_eq!(codec.stats().bytes_in_use, 0);
}

fn errors_give_everything_back(engine: &CodecOptions) {
    let (codec, mut rows, codes) = fixture(engine, 120_000);
    let before = codec.stats();
    for round in 0..4 {
        // Chunks before the bad row are already submitted when the error is found.
        let at = rows.len() - 1 - round * 2_000_000;
        let value = std::mem::replace(&mut rows[at], f32::NAN);
        assert!(codec.encode_flat(&rows).is_err());
        assert!(codec.encode_latent(&rows).is_err());
        rows[at] = value;
        drop(codec.decode_mapped(&codes).unwrap().next());
        let after = codec.stats();
        assert_eq!(after.bytes_in_use, 0, "{after:?}");
    }
    assert_eq!(codec.encode_flat(&rows).unwrap(), codes);
    let after = codec.stats();
    assert!(after.bytes_peak <= 4 * before.bytes_peak, "{before:?} became {after:?}");
}

fn pools_belong_to_codecs(engine: &CodecOptions) {
    let (one, _, codes) = fixture(engine, 1000);
    let other = codec(engine, one.model());
    assert_eq!(other.stats(), Stats::default());
    let before = one.stats();
    other.decode_flat(&codes).unwrap();
    assert_eq!(one.stats(), before);
    assert_eq!(one.clone().stats(), before);
}

/// Batches of many sizes must not leave a buffer each.
fn idle_memory_is_bounded(engine: &CodecOptions) {
    let (codec, rows, _) = fixture(engine, 60_000);
    let mut max_idle = 0;
    for count in (0..60).map(|i| 60_000 >> (i % 16)).filter(|count| *count > 0) {
        let codes = codec.encode_flat(&rows[..count * DIM]).unwrap();
        codec.decode_flat(&codes).unwrap();
        max_idle = max_idle.max(codec.stats().bytes_idle);
    }
    let bound = 16 * size_of_val(&rows[..]) as u64;
    assert!(max_idle <= bound, "{max_idle} bytes idle after batches of up to {} bytes", bound / 16);
}

fn timings_of_a_call_sum_to_at_most_its_duration(engine: &CodecOptions) {
    let (codec, _, codes) = fixture(engine, 60_000);
    let start = Instant::now();
    let timings = codec.decode_breakdown(&codes).unwrap().expect("a GPU measures timings");
    let whole = start.elapsed();
    let kernel = timings.kernel.unwrap_or_default();
    let sum = timings.allocation + timings.upload + kernel + timings.readback + timings.extraction;
    assert!(sum <= whole, "{timings} sum to {sum:?}, and the call took {whole:?}");
    // The timings cover at least a quarter of the call.
    assert!(sum >= whole / 4, "{timings} sum to {sum:?}, and the call took {whole:?}");
    assert!(!timings.extraction.is_zero() && !timings.readback.is_zero(), "{timings}");
    assert_eq!(codec.stats().bytes_in_use, 0);
}

fn kernel_times_are_plausible(engine: &CodecOptions) {
    let (codec, rows, _) = fixture(engine, 1000);
    let before = codec.stats();
    let times = codec.kernel_times(&rows, 3).unwrap().expect("the device has timestamps");
    let all =
        [times.encode, times.encode_latent, times.decode, times.decode_f16, times.decode_latent];
    assert!(all.iter().all(|time| !time.is_zero() && time.as_secs() < 10), "{times:?}");
    assert_eq!(codec.stats().bytes_in_use, before.bytes_in_use);
    // Rows that encoding refuses are refused here.
    assert!(codec.kernel_times(&rows[1..], 3).is_err());
    assert!(codec.kernel_times(&[], 3).is_err());
}

#[test]
fn cpu_engine_has_no_pool() {
    let (codec, _, codes) = fixture(&cpu(), 1000);
    codec.decode_flat(&codes).unwrap();
    assert_eq!(codec.stats(), Stats::default());
    assert!(codec.decode_breakdown(&codes).unwrap().is_none());
    assert!(codec.kernel_times(&[1.0; DIM], 1).unwrap().is_none());
}
