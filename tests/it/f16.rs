//! Rows decoded to f16, and the call that makes everything ready.

use vecodec::{CodecOptions, Error, f16};

use crate::data::{Options, Random, identity};
use crate::engines::{codec, engine_suite, kernel_suite};

/// One unit in the last place of an f16, at its smallest and relative to its value.
const SMALLEST: f32 = 6e-8;
const RELATIVE: f32 = 1.0 / 1024.0;

kernel_suite!(decoded_f16_are_the_rounded_rows);

mod others {
    use super::{
        a_warm_codec_creates_nothing_for_small_batches, engine_suite, wrong_slices_are_refused,
    };
    engine_suite!(wrong_slices_are_refused, a_warm_codec_creates_nothing_for_small_batches);
}

fn decoded_f16_are_the_rounded_rows(engine: &CodecOptions) {
    for (dim, latent, rows) in
        [(1, 1, 1), (2, 3, 65), (3, 4, 13), (4, 5, 64), (7, 9, 1000), (97, 13, 300), (384, 64, 257)]
    {
        let codec = codec(engine, &Options::PLAIN.bias().model(dim, latent, 151));
        let codes = codec.encode_flat(&Random::new(152).normals(rows * dim, 1.0)).unwrap();
        let full = codec.decode_flat(&codes).unwrap();
        let halves = codec.decode_flat_f16(&codes).unwrap();
        assert_eq!(halves.len(), full.len());
        for (at, (half, value)) in halves.iter().zip(&full).enumerate() {
            let error = (half.to_f32() - value).abs();
            let bound = SMALLEST + RELATIVE * value.abs();
            assert!(
                error <= bound,
                "{rows} rows, {latent} -> {dim}, value {at}: {half} of {value}"
            );
        }
        let mut into = vec![f16::NAN; full.len()];
        codec.decode_into(&codes, &mut into).unwrap();
        assert_eq!(into, halves);
        let task = pollster::block_on(codec.decode_flat_f16_async(&codes)).unwrap();
        assert_eq!(task, halves);
        into.fill(f16::NAN);
        pollster::block_on(codec.decode_into_async(&codes, &mut into)).unwrap();
        assert_eq!(into, halves);
    }
}

fn wrong_slices_are_refused(engine: &CodecOptions) {
    let codec = codec(engine, &identity(4));
    let codes = codec.encode_flat(&[1.0; 8]).unwrap();
    for len in [0, 7, 9] {
        let error = codec.decode_into(&codes, &mut vec![f16::ZERO; len]).unwrap_err();
        assert!(
            matches!(error, Error::OutputLength { rows: 2, dim: 4, expected: 8, found, .. } if found == len),
            "{error}"
        );
    }
    let other = crate::engines::codec(engine, &Options::PLAIN.model(4, 4, 1));
    let error = other.decode_flat_f16(&codes).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    assert_eq!(codec.decode_flat_f16(&codes).unwrap(), vec![f16::ONE; 8]);
}

fn a_warm_codec_creates_nothing_for_small_batches(engine: &CodecOptions) {
    let codec = codec(engine, &identity(4));
    codec.warm_up().unwrap();
    let warm = codec.stats();
    let codes = codec.encode_flat(&[1.0; 40]).unwrap();
    codec.decode(&codes).unwrap();
    codec.decode_flat_f16(&codes).unwrap();
    codec.encode_latent(&[1.0; 40]).unwrap();
    codec.decode_latent(&[1.0; 40]).unwrap();
    assert_eq!(codec.stats().buffers_created, warm.buffers_created);
    assert_eq!(codec.stats().pool_misses, warm.pool_misses);
}
