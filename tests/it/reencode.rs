//! Codes that are moved to another model.

use vecodec::metrics::relative_mse;
use vecodec::{CodecOptions, Error, Model, ModelConfig};

use crate::data::{Random, identity};
use crate::engines::{codec, cpu, engine_suite};

engine_suite!(codes_move_to_another_model);

const DIM: usize = 24;

fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut values = Random::new(seed).normals(count * DIM, 1.0);
    for row in values.chunks_mut(DIM) {
        row.iter_mut().enumerate().for_each(|(i, v)| *v /= 1.0 + i as f32);
    }
    values
}

fn codes_move_to_another_model(engine: &CodecOptions) {
    let (train, test) = (rows(900, 41), rows(500, 42));
    let configs: [ModelConfig; 2] =
        [ModelConfig::bits(DIM, 12).into(), ModelConfig::int8(DIM, 10).into()];
    for old in &configs {
        for new in &configs {
            let from = codec(&cpu(), &Model::fit(&train, old).unwrap());
            let to = codec(engine, &Model::fit(&train[..700 * DIM], new).unwrap());
            let codes = from.encode_flat(&test).unwrap();
            let moved = to.reencode(&from, &codes).unwrap();
            // The visible sum of its parts, and the same as a future.
            let by_hand = to.encode_flat(&from.decode_flat(&codes).unwrap()).unwrap();
            assert_eq!(moved, by_hand, "{old:?} to {new:?}");
            let future = pollster::block_on(to.reencode_async(&from, &codes)).unwrap();
            assert_eq!(future, moved, "{old:?} to {new:?}");
            let error = |decoded: Vec<f32>| relative_mse(&test, &decoded).unwrap();
            let before = error(from.decode_flat(&codes).unwrap());
            let fresh = error(to.decode_flat(&to.encode_flat(&test).unwrap()).unwrap());
            let after = error(to.decode_flat(&moved).unwrap());
            let sum = before + fresh;
            assert!(after < 1.05 * sum, "{old:?} to {new:?}: {after}, {before} and {fresh}");
        }
    }
}

/// More rows than are decoded at a time.
#[test]
fn parts_of_a_move_are_one_batch() {
    let count = (64 << 20) / 4 / DIM + 3;
    let from = codec(&cpu(), &identity(DIM));
    let codes = from.encode_flat(&rows(count, 43)).unwrap();
    let moved = from.reencode(&from, &codes).unwrap();
    assert_eq!(moved.row_count(), count);
    // The largest value of a row is exact, and the others are multiples of its 127th.
    assert_eq!(moved.as_bytes(), codes.as_bytes());
}

#[test]
fn codes_of_other_models_are_refused() {
    let (three, four) = (codec(&cpu(), &identity(3)), codec(&cpu(), &identity(4)));
    let codes = three.encode_flat(&[1.0f32, 2.0, 3.0]).unwrap();
    let error = four.reencode(&three, &codes).unwrap_err();
    assert!(matches!(error, Error::CodesShape { expected: 4, found: 3, .. }), "{error:?}");
    let other = codec(&cpu(), &Model::random(ModelConfig::int8(3, 3), 5).unwrap());
    let error = three.reencode(&other, &codes).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error:?}");
    assert_eq!(three.reencode(&three, &codes).unwrap().row_count(), 1);
}
