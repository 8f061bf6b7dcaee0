//! What is done with a model or with codes once they have loaded. Every result is checked, and none
//! may be a panic.

use std::sync::Once;

use vecodec::{Codec, CodecOptions, Codes, CodesReader, Engine, Index, Model, f16};

use crate::Scratch;
use crate::valid::Seeded;

/// The most values of a batch that is computed.
const MAX_VALUES: usize = 1 << 18;

fn same_bits(left: &[f32], right: &[f32], what: &str) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(left), bits(right), "{what}");
}

/// A codec on the CPU engine. One thread computes, so that a run is fast and always the same.
pub fn codec(model: &Model) -> Codec {
    static ONE_THREAD: Once = Once::new();
    ONE_THREAD.call_once(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        pool.build_global().expect("nothing has used the pool before");
    });
    let options = CodecOptions::default().with_engine(Engine::Cpu);
    Codec::with_options(model.clone(), options).expect("the CPU engine takes every model")
}

/// An index that opened answers, and one that did not says why.
pub fn index(codec: &Codec, opened: vecodec::Result<Index>) {
    let index = match opened {
        Ok(index) => index,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let query = vec![0.5; codec.model().config().dim];
    let hits = index.search(&query, 3).expect("a query of the model's dimension");
    assert!(hits.k() <= 3 && hits.scores.iter().all(|score| !score.is_nan()));
    assert!(index.len() as u64 <= index.row_count());
}

/// A model is what it says it is, and comes back from a file as it was.
pub fn model(scratch: &Scratch, model: &Model) {
    let (config, weights) = (model.config(), model.weights());
    // Models of several regions have no one pair of layers.
    if let Some(weights) = weights {
        assert_eq!(weights.encoder.len(), config.dim * config.latent_dim);
        assert_eq!(weights.decoder.len(), config.dim * config.latent_dim);
    }
    assert!(config.code_size() > 0 && config.compression_ratio() > 0.0);
    let longest =
        (0..model.region_count()).filter_map(|r| Some(model.bits_per_latent(r)?.len())).max();
    assert_eq!(longest, config.bytes().map(|_| config.latent_dim));
    let path = scratch.path("saved.model");
    model.save(&path).expect("a model can be saved");
    let again = Model::load(&path).expect("what was saved can be loaded");
    assert_eq!(again.fingerprint(), model.fingerprint());
    assert_eq!(again.config(), config);
    assert_eq!(again.weights(), weights);
}

/// Codes are what they say they are, whole, in blocks, and in parts put together again.
pub fn codes(scratch: &Scratch, codes: &Codes) {
    let rows = codes.row_count();
    assert!(rows > 0 && codes.as_bytes().len().is_multiple_of(rows));
    assert!(codes.scales().iter().all(|scale| scale.is_finite() && *scale >= 0.0));
    let path = scratch.path("saved.codes");
    codes.save(&path).expect("codes can be saved");
    assert!(Codes::load(&path).expect("what was saved can be loaded") == *codes);

    let middle = rows.div_ceil(2);
    let mut joined = codes.slice(0..middle).expect("the first rows");
    if middle < rows {
        joined.append(&codes.slice(middle..rows).expect("the last rows")).expect("one model");
    }
    assert_eq!(joined.as_bytes(), codes.as_bytes());
    assert_eq!(joined.row_count(), rows);
    let all: Vec<usize> = (0..rows).collect();
    assert!(codes.select(&all).expect("all rows") == *codes);
    assert!(codes.select(&[rows]).is_err() && codes.slice(0..rows + 1).is_err());
    assert!(codes.select(&[usize::MAX]).is_err() && codes.slice(0..usize::MAX).is_err());

    let mut reader = CodesReader::open(&path).expect("what was saved can be opened");
    for first in (0..rows).step_by(5) {
        let last = rows.min(first + 5);
        let block = reader.read(first..last).expect("rows that exist");
        assert_eq!(block.as_bytes(), codes.slice(first..last).expect("rows").as_bytes());
    }
    assert!(reader.read(rows..rows + 1).is_err() && reader.read(0..usize::MAX).is_err());
}

/// Encodes rows and decodes them in every way. All ways give the same bits.
pub fn verbs(model: &Model, seed: u64) {
    let (dim, latent_dim) = (model.config().dim, model.config().latent_dim);
    let rows = 1 + (seed % 19) as usize;
    if rows * dim.max(latent_dim) > MAX_VALUES {
        return;
    }
    let codec = codec(model);
    let batch = Seeded::new(seed).values(rows * dim);
    // A model may be such that its latents leave the range of `f32`: then there is an error.
    if let Ok(latents) = codec.encode_latent(&batch) {
        assert_eq!(latents.len(), rows * latent_dim);
        assert_eq!(codec.decode_latent(&latents).expect("finite latents").len(), rows * dim);
    }
    let Ok(codes) = codec.encode_flat(&batch) else { return };
    assert_eq!((codes.row_count(), codes.code_size()), (rows, model.config().code_size()));
    decode(&codec, &codes);
    let again = codec.encode_flat(&batch).expect("the same batch");
    assert!(again == codes, "a second call gives other codes");
    let narrow: Vec<f16> = batch.iter().map(|value| f16::from_f32(*value)).collect();
    if let Ok(codes) = codec.encode_flat(&narrow) {
        assert_eq!(codes.row_count(), rows);
    }
}

/// Decodes codes of the codec's model in every way.
fn decode(codec: &Codec, codes: &Codes) -> Vec<f32> {
    let (dim, rows) = (codec.model().config().dim, codes.row_count());
    let flat = codec.decode_flat(codes).expect("codes of this model");
    assert_eq!(flat.len(), rows * dim);
    same_bits(&codec.decode(codes).expect("the same codes").concat(), &flat, "nested");
    let mut out = vec![0.0f32; rows * dim];
    codec.decode_into(codes, &mut out).expect("the same codes");
    same_bits(&out, &flat, "into a slice");
    assert!(codec.decode_into(codes, &mut out[1..]).is_err(), "a slice that is too short");
    assert_eq!(codec.decode_flat_f16(codes).expect("the same codes").len(), rows * dim);
    flat
}

/// Decodes codes that a file said are the model's. They are refused, or decode to rows.
pub fn loaded_codes(model: &Model, codes: &Codes) {
    if codes.row_count().saturating_mul(model.config().dim) > MAX_VALUES {
        return;
    }
    let codec = codec(model);
    match codec.decode_flat(codes) {
        Ok(_) => {
            decode(&codec, codes);
            let last = codes.slice(codes.row_count() - 1..codes.row_count()).expect("the last row");
            assert_eq!(decode(&codec, &last).len(), model.config().dim);
        }
        Err(error) => {
            let agree = codes.config() == model.config();
            assert!(!agree || codes.fingerprint() != model.fingerprint(), "{error}");
            if let Ok(declared) = codes.clone().assume_model(model) {
                decode(&codec, &declared);
            }
        }
    }
}
