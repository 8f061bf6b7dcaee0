//! Many threads, mixed verbs and sizes, views that are dropped late, futures that are dropped half-way,
//! and devices that are lost meanwhile. Every result is compared bit for bit with one that was computed
//! alone.
//!
//! `examples/soak.rs` runs this file for minutes. It therefore uses nothing but the library.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use vecodec::{
    Codec, CodecOptions, Codes, Engine, Error, Gpu, MappedRows, Model, ModelConfig, f16,
};

const DIM: usize = 40;
const THREADS: usize = 16;
/// Rows of a call: around the sizes of workgroups and slots, and several chunks.
const SIZES: [usize; 8] = [1, 2, 63, 64, 65, 700, 2500, 6000];
/// Views that a thread holds at most.
const HELD: usize = 6;

/// What happened.
#[derive(Debug, Default)]
pub struct Report {
    pub calls: u64,
    pub bytes_compared: u64,
    pub views: u64,
    pub futures_dropped: u64,
    pub devices_destroyed: u64,
    /// Calls that ended with `Error::DeviceLost`.
    pub calls_lost: u64,
    pub recoveries: u64,
    /// Resident bytes after the first quarter of the time, and at the end; zero where unknown.
    pub resident: [u64; 2],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.resident.map(|bytes| bytes >> 20);
        writeln!(f, "calls               {}", self.calls)?;
        writeln!(f, "bytes compared      {}", self.bytes_compared)?;
        writeln!(f, "views               {}", self.views)?;
        writeln!(f, "futures dropped     {}", self.futures_dropped)?;
        writeln!(f, "devices destroyed   {}", self.devices_destroyed)?;
        writeln!(f, "calls lost          {}", self.calls_lost)?;
        writeln!(f, "recoveries          {}", self.recoveries)?;
        write!(f, "resident            {before} MiB, then {after} MiB")
    }
}

#[derive(Default)]
struct Counters {
    calls: AtomicU64,
    bytes: AtomicU64,
    views: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

/// A batch and all that a codec makes of it.
struct Expected {
    rows: Vec<f32>,
    codes: Codes,
    decoded: Vec<f32>,
    decoded_f16: Vec<f16>,
    latents: Vec<f32>,
}

struct Subject {
    codec: Codec,
    expected: Vec<Expected>,
}

impl Subject {
    fn new(model: &Model, engine: Engine) -> Self {
        let options = CodecOptions::default().with_engine(engine);
        let codec = Codec::with_options(model.clone(), options).expect("a codec");
        let expected = SIZES.map(|rows| {
            let rows: Vec<f32> =
                (0..rows * DIM).map(|i| ((i * i + rows) as f32 * 0.7).sin()).collect();
            let codes = codec.encode_flat(&rows).expect("codes");
            let decoded = codec.decode_flat(&codes).expect("rows");
            let decoded_f16 = codec.decode_flat_f16(&codes).expect("rows");
            let latents = codec.encode_latent(&rows).expect("latents");
            Expected { rows, codes, decoded, decoded_f16, latents }
        });
        Self { codec, expected: expected.into() }
    }
}

/// A small generator, so that a seed gives the same calls everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's constants for a linear congruential generator (MMIX).
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

/// Views that are dropped late, each with the values that it must show.
type Held<'a> = VecDeque<(MappedRows, &'a [f32])>;

/// Runs mixed calls on 16 threads for so long. The first codec is on a device of the library's own,
/// which is destroyed every `loss` if that is given. The second is on `callers`, which is never lost;
/// the third is on the CPU engine.
pub fn run(time: Duration, loss: Option<Duration>, own: Gpu, callers: Gpu) -> Report {
    let model = Model::random(ModelConfig::int8(DIM, 13), 5).expect("a model");
    let subjects = [
        Subject::new(&model, Engine::Gpu(own)),
        Subject::new(&model, Engine::Gpu(callers)),
        Subject::new(&model, Engine::Cpu),
    ];
    let (counters, stop, start) = (Counters::default(), AtomicBool::new(false), Instant::now());
    let mut report = Report::default();
    thread::scope(|scope| {
        for seed in 0..THREADS as u64 {
            let (subjects, counters, stop) = (&subjects, &counters, &stop);
            scope.spawn(move || {
                // A thread that fails ends the others, too.
                let _ends = EndOnDrop(stop);
                let (mut random, mut held) = (Random(seed), VecDeque::new());
                while !stop.load(Ordering::Relaxed) {
                    let subject = &subjects[random.below(3)];
                    call(subject, &mut random, &mut held, counters);
                    add(&counters.calls, 1);
                }
            });
        }
        let mut next_loss = loss;
        while start.elapsed() < time && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
            if report.resident[0] == 0 && start.elapsed() > time / 4 {
                report.resident[0] = resident();
            }
            if let (Some(at), Some(loss)) = (next_loss, loss)
                && start.elapsed() > at
                && let Some(gpu) = subjects[0].codec.gpu()
            {
                gpu.device().destroy();
                report.devices_destroyed += 1;
                next_loss = Some(start.elapsed() + loss);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    report.resident[1] = resident();
    report.calls = counters.calls.into_inner();
    report.bytes_compared = counters.bytes.into_inner();
    report.views = counters.views.into_inner();
    report.futures_dropped = counters.dropped.into_inner();
    report.calls_lost = counters.lost.into_inner();
    report.recoveries = subjects.iter().map(|subject| subject.codec.stats().recoveries).sum();
    for subject in &subjects {
        assert_eq!(subject.codec.stats().bytes_in_use, 0, "buffers are still in use");
    }
    report
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn call<'a>(subject: &'a Subject, random: &mut Random, held: &mut Held<'a>, counters: &Counters) {
    let codec = &subject.codec;
    let expected = &subject.expected[random.below(SIZES.len())];
    let Expected { rows, codes, decoded, decoded_f16, latents } = expected;
    let result = match random.below(12) {
        0 => {
            codec.encode_flat(rows).map(|found| same(counters, found.as_bytes(), codes.as_bytes()))
        }
        1 => {
            let nested: Vec<&[f32]> = rows.chunks(DIM).collect();
            codec.encode(&nested).map(|found| assert_eq!(found, *codes))
        }
        2 => codec.decode(codes).map(|found| same(counters, &found.concat(), decoded)),
        3 => codec.decode_flat(codes).map(|found| same(counters, &found, decoded)),
        4 => codec.decode_flat_f16(codes).map(|found| same(counters, &found, decoded_f16)),
        5 => {
            let mut out = vec![0.0f32; decoded.len()];
            codec.decode_into(codes, &mut out).map(|()| same(counters, &out, decoded))
        }
        6 => codec.encode_latent(rows).map(|found| same(counters, &found, latents)),
        7 => codec.decode_latent(latents).map(|found| assert_eq!(found.len(), decoded.len())),
        8 => view(codec, codes, decoded, random, held, counters),
        9 => pollster::block_on(codec.decode_flat_async(codes))
            .map(|found| same(counters, &found, decoded)),
        10 => pollster::block_on(codec.encode_flat_async(rows))
            .map(|found| same(counters, found.as_bytes(), codes.as_bytes())),
        _ => {
            let mut future = Box::pin(codec.decode_flat_async(codes));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..random.below(4) {
                if future.as_mut().poll(&mut context).is_ready() {
                    return;
                }
            }
            drop(future);
            add(&counters.dropped, 1);
            Ok(())
        }
    };
    match result {
        Ok(()) => {}
        Err(Error::DeviceLost { .. }) => {
            add(&counters.lost, 1);
            codec.recover().expect("the adapter is still there");
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// Holds a few views, and compares them when they are dropped.
fn view<'a>(
    codec: &Codec,
    codes: &'a Codes,
    decoded: &'a [f32],
    random: &mut Random,
    held: &mut Held<'a>,
    counters: &Counters,
) -> Result<(), Error> {
    for view in codec.decode_mapped(codes)? {
        let view = view?;
        let start = view.first_row() * DIM;
        add(&counters.views, 1);
        held.push_back((view, &decoded[start..]));
        while held.len() > random.below(HELD) {
            let Some((view, decoded)) = held.pop_front() else { break };
            // A view of a lost device is empty.
            if !view.is_empty() {
                same(counters, &view, &decoded[..view.len()]);
            }
        }
    }
    Ok(())
}

fn same<T: PartialEq + fmt::Debug>(counters: &Counters, found: &[T], expected: &[T]) {
    add(&counters.bytes, size_of_val(found));
    assert!(found == expected, "{} values differ from what was computed alone", found.len());
}

/// Resident bytes of this process, on Linux.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * 4096
}
