//! Futures of the CPU engine: the thread pool computes, and the thread that polls does not.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use vecodec::Codec;

use crate::compare::assert_same_bits;
use crate::data::{Case, nested};
use crate::engines::{codec, cpu};

/// Encoding takes far longer than copying the rows: a row has 256 values, and 128 latents.
const CASE: Case = Case::new(256, 128, 20_000).bias();
/// Longer than any test takes; a wait of this length is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Only one test at a time may hold the pool: two could each hold some threads and wait for the
/// others.
static POOL: Mutex<()> = Mutex::new(());

/// All threads of the pool, held until this is dropped.
struct HeldPool {
    release: Arc<(Mutex<bool>, Condvar)>,
    _alone: MutexGuard<'static, ()>,
}

impl HeldPool {
    fn new() -> Self {
        let alone = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = Arc::new(Barrier::new(rayon::current_num_threads() + 1));
        let release = Arc::new((Mutex::new(false), Condvar::new()));
        let (on_pool, gate) = (arrived.clone(), release.clone());
        rayon::spawn_broadcast(move |_| {
            on_pool.wait();
            let (released, condition) = &*gate;
            let released = released.lock().unwrap();
            // A future that needs the pool in `poll` must fail the test and not hang it.
            let wait = condition.wait_timeout_while(released, PATIENCE, |released| !*released);
            // Ends the hold of every thread. `release` then reports it.
            *wait.unwrap().0 = true;
            condition.notify_all();
        });
        arrived.wait();
        Self { release, _alone: alone }
    }
}

impl HeldPool {
    /// Frees the pool. Returns false if it was free before, because somebody waited for it.
    fn release(&self) -> bool {
        let (released, condition) = &*self.release;
        let was_free = std::mem::replace(&mut *released.lock().unwrap(), true);
        condition.notify_all();
        !was_free
    }
}

impl Drop for HeldPool {
    fn drop(&mut self) {
        self.release();
    }
}

/// Counts the wake-ups of a task.
#[derive(Default)]
struct Wakes {
    count: AtomicUsize,
    changed: Condvar,
    lock: Mutex<()>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let _lock = self.lock.lock().unwrap();
        self.count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_all();
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until there are more wake-ups than `seen`.
    fn wait(&self, seen: usize) {
        let lock = self.lock.lock().unwrap();
        let wait = self.changed.wait_timeout_while(lock, PATIENCE, |()| self.count() == seen);
        assert!(!wait.unwrap().1.timed_out(), "the task was not woken");
    }
}

/// Polls a future while the pool is held, then lets it run to its end, a poll per wake-up.
fn run_on_pool<T>(future: impl Future<Output = T>, verb: &str) -> T {
    let mut future = pin!(future);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut poll = || future.as_mut().poll(&mut Context::from_waker(&waker));

    let held = HeldPool::new();
    let pending = (0..3).all(|_| poll().is_pending());
    let woken = wakes.count();
    assert!(held.release(), "{verb}: a poll waited for the pool");
    assert!(pending, "{verb}: ready although the pool computed nothing");
    assert_eq!(woken, 0, "{verb}: woken although the pool computed nothing");
    let mut seen = 0;
    loop {
        wakes.wait(seen);
        seen = wakes.count();
        if let Poll::Ready(value) = poll() {
            return value;
        }
    }
}

#[test]
fn polling_waits_for_the_pool_and_is_woken_by_it() {
    // One thread copies a result of this size.
    assert_pool_computes(Case { rows: 200, ..CASE });
}

#[test]
fn polling_a_large_batch_is_woken_by_the_pool() {
    // All cores copy a result of this size, and none of them within a poll.
    assert_pool_computes(CASE);
}

fn assert_pool_computes(case: Case) {
    let codec = codec(&cpu(), &case.model());
    let rows = case.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    assert_eq!(run_on_pool(codec.encode_flat_async(&rows), "encode_flat").unwrap(), codes);
    let found = run_on_pool(codec.decode_flat_async(&codes), "decode_flat").unwrap();
    assert_same_bits(&found, &decoded, "decode_flat");
    let rows = nested(&rows, case.dim);
    let (found, _) = run_on_pool(codec.evaluate_async(&rows), "evaluate").unwrap();
    assert_same_bits(&found.concat(), &decoded, "evaluate");
    let made = run_on_pool(Codec::with_options_async(case.model(), cpu()), "with_options").unwrap();
    assert_eq!(made.encode(&rows).unwrap(), codes, "with_options");
}

/// The shortest of several first polls, each of a new future that is dropped while the pool works.
fn first_poll<T, F: Future<Output = T>>(future: impl Fn() -> F) -> Duration {
    let poll = |future: Pin<&mut F>| {
        let start = thread_time();
        let pending = future.poll(&mut Context::from_waker(Waker::noop())).is_pending();
        pending.then(|| thread_time() - start)
    };
    let polls = (0..12).filter_map(|_| poll(pin!(future())));
    polls.min().expect("a future that is pending at first")
}

/// What this thread has computed for. The pool that a poll wakes may take the thread's core, for as long
/// as the system likes.
#[cfg(target_os = "linux")]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

fn shortest<T>(work: impl Fn() -> T) -> Duration {
    let time = || {
        let start = Instant::now();
        drop(work());
        start.elapsed()
    };
    (0..3).map(|_| time()).min().unwrap()
}

#[test]
fn the_first_poll_takes_a_fraction_of_the_blocking_verb() {
    let codec = codec(&cpu(), &CASE.model());
    let rows = CASE.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    for (verb, blocking, polling) in [
        (
            "encode_flat",
            shortest(|| codec.encode_flat(&rows)),
            first_poll(|| codec.encode_flat_async(&rows)),
        ),
        (
            "decode_flat",
            shortest(|| codec.decode_flat(&codes)),
            first_poll(|| codec.decode_flat_async(&codes)),
        ),
    ] {
        assert!(
            polling < blocking / 2,
            "{verb}: the first poll took {polling:?}, the blocking verb {blocking:?}"
        );
    }
    // The dropped futures left the codec as it was.
    assert_eq!(codec.encode_flat(&rows).unwrap(), codes);
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &decoded, "after dropped futures");
}

#[test]
fn futures_dropped_half_way_change_nothing() {
    let codec = codec(&cpu(), &CASE.model());
    let rows = CASE.rows(codec.model());
    let nested = nested(&rows, CASE.dim);
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    for polls in 0..8 {
        let mut encode = Box::pin(codec.encode_flat_async(&rows));
        let mut decode = Box::pin(codec.decode_flat_async(&codes));
        let mut evaluate = Box::pin(codec.evaluate_async(&nested));
        for _ in 0..polls {
            let pending = encode.as_mut().poll(&mut context).is_pending()
                && decode.as_mut().poll(&mut context).is_pending()
                && evaluate.as_mut().poll(&mut context).is_pending();
            if !pending {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(codec.encode_flat(&rows).unwrap(), codes);
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &decoded, "after dropped futures");
}
