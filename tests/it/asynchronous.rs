//! Futures give the results of the blocking verbs, in any thread and in any order, and may be
//! dropped at any time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use futures_core::Stream;
use pollster::block_on;
use vecodec::{Codec, CodecOptions, Codes, Engine, Error, Gpu};

use crate::compare::assert_same_bits;
use crate::data::{Case, nested};
use crate::engines::{codec, engine_suite};

engine_suite!(
    futures_agree_with_the_blocking_verbs,
    mapped_streams_agree_with_the_iterator,
    mapped_streams_are_streams,
    constructors_agree_with_the_blocking_ones,
    many_futures_run_in_one_task,
    futures_move_between_threads,
    dropped_futures_leave_nothing_behind,
    futures_may_be_dropped_at_any_moment,
    errors_come_out_of_futures,
);

/// Enough rows for several chunks.
const LONG: Case = Case::new(96, 33, 40_000).bias();

fn fixture(engine: &CodecOptions, case: Case) -> (Codec, Vec<f32>, Codes, Vec<f32>) {
    let codec = codec(engine, &case.model());
    let rows = case.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    (codec, rows, codes, flat)
}

fn sendable<T: Send>(future: T) -> T {
    future
}

fn futures_agree_with_the_blocking_verbs(engine: &CodecOptions) {
    for case in [Case::new(13, 7, 63).relu().normalized(), LONG] {
        let (codec, rows, codes, flat) = fixture(engine, case);
        let rows_nested = nested(&rows, case.dim);
        assert_eq!(block_on(sendable(codec.encode_async(&rows_nested))).unwrap(), codes, "{case}");
        assert_eq!(block_on(sendable(codec.encode_flat_async(&rows))).unwrap(), codes, "{case}");
        let decoded = block_on(sendable(codec.decode_async(&codes))).unwrap();
        assert_same_bits(&decoded.concat(), &flat, format!("decode, {case}"));
        let decoded = block_on(sendable(codec.decode_flat_async(&codes))).unwrap();
        assert_same_bits(&decoded, &flat, format!("decode_flat, {case}"));
        let mut out = vec![f32::NAN; flat.len()];
        block_on(sendable(codec.decode_into_async(&codes, &mut out))).unwrap();
        assert_same_bits(&out, &flat, format!("decode_into, {case}"));

        let latents = codec.encode_latent(&rows).unwrap();
        let found = block_on(sendable(codec.encode_latent_async(&rows))).unwrap();
        assert_same_bits(&found, &latents, format!("encode_latent, {case}"));
        let expected = codec.decode_latent(&latents).unwrap();
        let found = block_on(sendable(codec.decode_latent_async(&latents))).unwrap();
        assert_same_bits(&found, &expected, format!("decode_latent, {case}"));

        let (expected, figures) = codec.evaluate(&rows_nested).unwrap();
        let (decoded, found) = block_on(sendable(codec.evaluate_async(&rows_nested))).unwrap();
        assert_eq!(decoded, expected, "{case}");
        assert_eq!((found.mse, found.mean_cosine), (figures.mse, figures.mean_cosine), "{case}");
    }
}

fn mapped_streams_agree_with_the_iterator(engine: &CodecOptions) {
    let (codec, _, codes, flat) = fixture(engine, LONG);
    block_on(sendable(async {
        let mut stream = codec.decode_mapped_async(&codes).unwrap();
        let mut views = Vec::new();
        while let Some(view) = stream.next().await {
            views.push(view.unwrap());
        }
        assert!(stream.next().await.is_none());
        let mut out = Vec::new();
        for view in &views {
            assert_eq!(view.first_row() * LONG.dim, out.len());
            view.rows().for_each(|row| out.extend_from_slice(row));
        }
        assert_same_bits(&out, &flat, "stream");
    }));
}

/// All items of a stream, by the methods of `futures_core::Stream` alone. An ended stream stays
/// ended.
async fn collected<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        items.push(item);
    }
    assert!(poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await.is_none());
    items
}

fn mapped_streams_are_streams(engine: &CodecOptions) {
    let (codec, _, codes, flat) = fixture(engine, LONG);
    let views = block_on(sendable(collected(codec.decode_mapped_async(&codes).unwrap())));
    let values: Vec<f32> = views.into_iter().flat_map(|view| view.unwrap().to_vec()).collect();
    assert_same_bits(&values, &flat, "stream");
}

fn constructors_agree_with_the_blocking_ones(engine: &CodecOptions) {
    let case = Case::new(13, 7, 63).relu();
    let (codec, rows, codes, _) = fixture(engine, case);
    let made = Codec::with_options_async(codec.model().clone(), engine.clone());
    assert_eq!(block_on(sendable(made)).unwrap().encode_flat(&rows).unwrap(), codes);
    let automatic = block_on(sendable(Codec::new_async(codec.model().clone()))).unwrap();
    let blocking = Codec::new(codec.model().clone()).unwrap();
    assert_eq!(automatic.engine(), blocking.engine());
    let decoded = blocking.decode_flat(&codes).unwrap();
    assert_same_bits(&automatic.decode_flat(&codes).unwrap(), &decoded, "new_async");
    if let Engine::Gpu(gpu) = &engine.engine {
        let opened = block_on(sendable(Gpu::new_async())).unwrap();
        assert_eq!(opened.adapter_info().name, gpu.adapter_info().name);
        let options = engine.clone().with_engine(Engine::Gpu(opened));
        assert_eq!(
            crate::engines::codec(&options, codec.model()).encode_flat(&rows).unwrap(),
            codes
        );
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(future)
}

/// Polls all futures in turn in one task, whichever of them woke the task.
async fn join<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

fn many_futures_run_in_one_task(engine: &CodecOptions) {
    let (codec, rows, codes, flat) = fixture(engine, Case { rows: 15_000, ..LONG });
    let decodes = (0..6).map(|_| boxed(codec.decode_flat_async(&codes))).collect();
    for decoded in block_on(join(decodes)) {
        assert_same_bits(&decoded.unwrap(), &flat, "joined");
    }
    let encodes = (0..6).map(|_| boxed(codec.encode_flat_async(&rows))).collect();
    for encoded in block_on(join(encodes)) {
        assert_eq!(encoded.unwrap(), codes);
    }
    // Tasks on several threads, and a blocking call at the same time.
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(block_on(codec.encode_flat_async(&rows)).unwrap(), codes));
        }
        scope.spawn(|| assert_eq!(codec.encode_flat(&rows).unwrap(), codes));
    });
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn futures_move_between_threads(engine: &CodecOptions) {
    let (codec, _, codes, flat) = fixture(engine, LONG);
    let mut future = Box::pin(codec.decode_flat_async(&codes));
    let decoded = match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        // The result was there at the first poll.
        Poll::Ready(decoded) => decoded,
        Poll::Pending => thread::scope(|scope| scope.spawn(|| block_on(future)).join().unwrap()),
    };
    assert_same_bits(&decoded.unwrap(), &flat, "begun in one thread and finished in another");
}

fn dropped_futures_leave_nothing_behind(engine: &CodecOptions) {
    let (codec, rows, codes, flat) = fixture(engine, LONG);
    for polls in [0, 1, 2, 3] {
        let mut decode = Box::pin(codec.decode_flat_async(&codes));
        let mut encode = Box::pin(codec.encode_flat_async(&rows));
        for _ in 0..polls {
            if poll_once(decode.as_mut()) || poll_once(encode.as_mut()) {
                break;
            }
        }
        drop((decode, encode));
        assert_same_bits(&codec.decode_flat(&codes).unwrap(), &flat, format!("{polls} polls"));
        assert_eq!(codec.encode_flat(&rows).unwrap(), codes, "{polls} polls");
        assert_eq!(codec.stats().bytes_in_use, 0, "{polls} polls");
    }
}

/// Drops futures after delays that spread over the time of a call, so that the GPU and the polling
/// thread are at any point of the work.
fn futures_may_be_dropped_at_any_moment(engine: &CodecOptions) {
    const ROUNDS: u32 = 1500;
    let case = Case::new(64, 16, 300).bias();
    let (codec, rows, codes, flat) = fixture(engine, case);
    let start = Instant::now();
    codec.decode_flat(&codes).unwrap();
    let call = start.elapsed();
    for round in 0..ROUNDS {
        let mut decode = Box::pin(codec.decode_flat_async(&codes));
        let mut encode = Box::pin(codec.encode_flat_async(&rows));
        if !poll_once(decode.as_mut()) && !poll_once(encode.as_mut()) {
            let until = Instant::now() + call * round / ROUNDS;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        drop((decode, encode));
        assert_same_bits(&codec.decode_flat(&codes).unwrap(), &flat, format!("round {round}"));
        assert_eq!(codec.encode_flat(&rows).unwrap(), codes, "round {round}");
    }
    assert_eq!(codec.stats().bytes_in_use, 0);
}

fn errors_come_out_of_futures(engine: &CodecOptions) {
    let (codec, mut rows, codes, flat) = fixture(engine, LONG);
    let last = rows.len() - 1;
    let value = std::mem::replace(&mut rows[last], f32::NAN);
    let error = block_on(codec.encode_flat_async(&rows)).unwrap_err();
    assert!(matches!(error, Error::NonFinite { row: 39_999, column: 95, .. }), "{error:?}");
    let error = block_on(codec.encode_latent_async(&rows)).unwrap_err();
    assert!(matches!(error, Error::NonFinite { row: 39_999, .. }), "{error:?}");
    rows[last] = value;
    let error = block_on(codec.encode_flat_async(&rows[1..])).unwrap_err();
    assert!(matches!(error, Error::FlatLength { .. }), "{error:?}");
    let error = block_on(codec.encode_async::<Vec<f32>>(&[])).unwrap_err();
    assert!(matches!(error, Error::EmptyBatch { .. }), "{error:?}");
    let mut short = vec![0.0; flat.len() - 1];
    let error = block_on(codec.decode_into_async(&codes, &mut short)).unwrap_err();
    assert!(matches!(error, Error::OutputLength { .. }), "{error:?}");
    // A case with another number of rows has another seed, and therefore another model.
    let other = Case { rows: 1, ..LONG }.model();
    let foreign = crate::engines::codec(engine, &other).encode_flat(&rows[..LONG.dim]).unwrap();
    assert!(matches!(block_on(codec.decode_async(&foreign)), Err(Error::OtherModel { .. })));
    assert!(matches!(codec.decode_mapped_async(&foreign).err(), Some(Error::OtherModel { .. })));
    let future = pin!(codec.encode_flat_async(&rows));
    assert_eq!(block_on(future).unwrap(), codes, "after the errors");
}
