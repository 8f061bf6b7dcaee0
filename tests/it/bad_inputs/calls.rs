//! Bad calls: lengths of slices, ranges, rows, values that are not finite, and configurations that
//! no model can have.

use vecodec::{
    Activation, CodecOptions, Codes, CodesReader, CodesWriter, Coding, Model, ModelConfig, RowNorm,
    Weights, f16, metrics,
};

use super::fixtures::{DIM, Fixture};
use super::{AT_LEAST, Tally};
use crate::data::Random;
use crate::engines::{codec, engine_suite};

mod verbs {
    use super::{engine_suite, verbs_refuse_bad_slices};
    engine_suite!(verbs_refuse_bad_slices);
}

/// Row numbers and ends of ranges that do not exist in a batch of this many rows.
fn beyond(rows: usize) -> [usize; 6] {
    [rows, rows + 1, 1 << 31, 1 << 32, usize::MAX - 1, usize::MAX]
}

fn verbs_refuse_bad_slices(engine: &CodecOptions) {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let Fixture { name, batch, codes, .. } = &fixture;
        let codec = codec(engine, &fixture.model);
        let (before, decoded) =
            (codec.encode_flat(batch).unwrap(), codec.decode_flat(codes).unwrap());
        let latents = codec.encode_latent(batch).unwrap();
        let latent_dim = fixture.model.config().latent_dim;
        for len in (0..batch.len()).filter(|len| *len == 0 || len % DIM != 0) {
            let what = format!("{name}: {len} values");
            tally.refused(&format!("{what} encode_flat"), codec.encode_flat(&batch[..len]));
            tally.refused(&format!("{what} encode_latent"), codec.encode_latent(&batch[..len]));
            let narrow = vec![f16::ONE; len];
            tally.refused(&format!("{what} of f16"), codec.encode_flat(&narrow));
            tally.refused(&format!("{what} encode"), codec.encode(&[&batch[..len]]));
            tally.refused(&format!("{what} beside rows"), codec.encode(&[batch, &batch[..len]]));
            tally.refused(&format!("{what} evaluate"), codec.evaluate(&[&batch[..len]]));
            let task = pollster::block_on(codec.encode_flat_async(&batch[..len]));
            tally.refused(&format!("{what} encode_flat_async"), task);
        }
        for len in (0..latents.len()).filter(|len| *len == 0 || len % latent_dim != 0) {
            let what = format!("{name}: decode_latent of {len}");
            tally.refused(&what, codec.decode_latent(&latents[..len]));
        }
        for len in (0..2 * decoded.len()).filter(|len| *len != decoded.len()) {
            let what = format!("{name}: decode_into {len}");
            tally.refused(&what, codec.decode_into(codes, &mut vec![0.0f32; len]));
            let what = format!("{name}: decode_into {len} of f16");
            tally.refused(&what, codec.decode_into(codes, &mut vec![f16::ZERO; len]));
        }
        for at in 0..batch.len() {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut bad = batch.clone();
                bad[at] = value;
                let what = format!("{name}: {value} at {at}");
                tally.refused(&format!("{what} encode_flat"), codec.encode_flat(&bad));
                tally.refused(&format!("{what} encode_latent"), codec.encode_latent(&bad));
                let narrow: Vec<f16> = bad.iter().map(|value| f16::from_f32(*value)).collect();
                tally.refused(&format!("{what} of f16"), codec.encode_flat(&narrow));
            }
        }
        for at in 0..latents.len() {
            let mut bad = latents.clone();
            bad[at] = f32::NAN;
            tally.refused(&format!("{name}: latent {at}"), codec.decode_latent(&bad));
        }
        assert_eq!(codec.encode_flat(batch).unwrap(), before, "{name}");
        assert_eq!(codec.decode_flat(codes).unwrap(), decoded, "{name}");
    }
    tally.finish("slices", 2000);
}

#[test]
fn codes_refuse_bad_parts_and_ranges() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let Fixture { name, model, codes, .. } = &fixture;
        let (rows, bytes) = (codes.row_count(), codes.as_bytes());
        let row_bytes = bytes.len() / rows;
        for row in beyond(rows) {
            tally.refused(&format!("{name}: select {row}"), codes.select(&[row]));
            tally.refused(&format!("{name}: select 0 and {row}"), codes.select(&[0, row]));
            tally.refused(&format!("{name}: slice {row}.."), codes.slice(row..usize::MAX));
            tally.refused(&format!("{name}: slice {row}..{row}"), codes.slice(row..row));
            let end = row.max(rows + 1);
            tally.refused(&format!("{name}: slice 0..{end}"), codes.slice(0..end));
            tally.refused(&format!("{name}: slice {row}..0"), codes.slice(row..0));
            let path = tally.folder.path().join("codes");
            std::fs::write(&path, &fixture.codes_file).unwrap();
            let mut reader = CodesReader::open(&path).unwrap();
            tally.refused(&format!("{name}: read 0..{end}"), reader.read(0..end));
            tally.refused(&format!("{name}: read {row}..0"), reader.read(row..0));
            tally.refused(&format!("{name}: read {row}.."), reader.read(row..usize::MAX));
            assert_eq!(reader.read(0..rows).unwrap(), *codes, "{name}");
        }
        tally.refused(&format!("{name}: select nothing"), codes.select(&[]));
        for len in (0..=3 * row_bytes).filter(|len| *len == 0 || len % row_bytes != 0) {
            let made = Codes::from_parts(model, vec![0; len], 1.0);
            tally.refused(&format!("{name}: {len} bytes"), made);
        }
        for count in (0..2 * rows).filter(|count| *count != rows) {
            let made = Codes::from_parts(model, bytes.to_vec(), vec![1.0; count]);
            tally.refused(&format!("{name}: {count} scales"), made);
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -1e-45] {
            let made = Codes::from_parts(model, bytes.to_vec(), value);
            tally.refused(&format!("{name}: one scale {value}"), made);
            for at in 0..rows {
                let mut scales = vec![1.0; rows];
                scales[at] = value;
                let made = Codes::from_parts(model, bytes.to_vec(), scales);
                tally.refused(&format!("{name}: scale {at} is {value}"), made);
            }
        }
        written(&mut tally, &fixture);
    }
    tally.finish("parts and ranges", AT_LEAST[4]);
}

/// Files that get ids for some rows or too few, and paths where no file can be.
fn written(tally: &mut Tally, fixture: &Fixture) {
    let Fixture { name, model, codes, .. } = fixture;
    let rows = codes.row_count();
    let folder = tally.folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("written");
    let ids: Vec<u64> = (0..2 * rows as u64).collect();
    for count in (0..2 * rows).filter(|count| *count != rows) {
        let mut writer = CodesWriter::create(&path, model).unwrap();
        let appended = writer.append_with_ids(codes, &ids[..count]);
        tally.refused(&format!("{name}: {count} ids for {rows} rows"), appended);
        assert_eq!(writer.row_count(), 0);
    }
    for with_ids in [false, true] {
        let mut writer = CodesWriter::create(&path, model).unwrap();
        let what = format!("{name}: ids of some rows, the first {with_ids}");
        let (first, second) = match with_ids {
            true => (writer.append_with_ids(codes, &ids[..rows]), writer.append(codes)),
            false => (writer.append(codes), writer.append_with_ids(codes, &ids[..rows])),
        };
        // Codes of one scale for all rows fit a file of a scale per row.
        first.unwrap();
        tally.refused(&what, second);
    }
    for missing in [&folder.join("none/file"), &folder] {
        let what = format!("{name}: a file at {:?}", missing.file_name());
        tally.refused(&format!("{what}, codes"), codes.save(missing));
        tally.refused(&format!("{what}, model"), model.save(missing));
        tally.refused(&format!("{what}, load"), Model::load(missing));
        tally.refused(&format!("{what}, load codes"), Codes::load(missing));
        tally.refused(&format!("{what}, raw"), Model::load_raw(missing, missing, model.config()));
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{name}: something was left");
}

/// Sizes that no model can have.
const SIZES: [usize; 8] =
    [0, (1 << 24) + 1, 1 << 31, 1 << 32, 1 << 53, 1 << 60, 1 << 63, usize::MAX];

#[test]
fn configurations_that_no_model_has() {
    let mut tally = Tally::new();
    let train = Random::new(11).normals(40 * DIM, 1.0);
    let mut refused = |config: ModelConfig| {
        let what = format!("{config:?}");
        tally.refused(&format!("fit {what}"), Model::fit(&train, config.clone()));
        tally.refused(&format!("random {what}"), Model::random(config.clone(), 1));
        let weights = Weights { encoder: vec![1.0], decoder: vec![1.0], ..Weights::default() };
        tally.refused(&format!("weights {what}"), Model::from_weights(config.clone(), weights));
        let path = tally.folder.path().join("raw");
        std::fs::write(&path, [0; 4]).unwrap();
        tally.refused(&format!("raw {what}"), Model::load_raw(&path, &path, config));
    };
    for size in SIZES {
        for other in [DIM, 0, usize::MAX] {
            for activation in [Activation::Identity, Activation::Relu] {
                let config = |dim, latents| {
                    ModelConfig::from(ModelConfig::int8(dim, latents).with_activation(activation))
                };
                refused(config(size, other));
                refused(config(other, size));
            }
        }
        for norms in [RowNorm::Auto, RowNorm::Omit, RowNorm::Store] {
            let trellis = Coding::Trellis { states: size };
            let bits = |dim, bytes| ModelConfig::bits(dim, bytes).with_row_norm(norms);
            refused(bits(size, 2).into());
            refused(bits(DIM, size).into());
            refused(bits(DIM, size).with_coding(Coding::Scalar).into());
            refused(bits(DIM, 6).with_coding(trellis).into());
        }
    }
    for states in [1, 3, 5, 100, 255, 257, 4095, 4097, 8192, 1 << 15, 1 << 16] {
        refused(ModelConfig::bits(DIM, 6).with_coding(Coding::Trellis { states }).into());
    }
    for bytes in 1..=4 {
        refused(ModelConfig::bits(DIM, bytes).with_row_norm(RowNorm::Store).into());
    }
    tally.finish("configurations", AT_LEAST[4]);
}

/// Rows that no model can be fitted to, and metrics of slices that do not fit each other.
#[test]
fn rows_and_slices_of_the_wrong_length() {
    let mut tally = Tally::new();
    let train = Random::new(12).normals(40 * DIM, 1.0);
    let configs = [
        ModelConfig::from(ModelConfig::int8(DIM, 2)),
        ModelConfig::int8(DIM, 2).with_activation(Activation::Relu).into(),
        ModelConfig::bits(DIM, 2).with_coding(Coding::Scalar).into(),
        ModelConfig::bits(DIM, 6).with_coding(Coding::Trellis { states: 4 }).into(),
    ];
    for config in configs {
        for len in (0..40).filter(|len| *len == 0 || len % DIM != 0) {
            let what = format!("{len} values for {config:?}");
            tally.refused(&what, Model::fit(&train[..len], config.clone()));
        }
        for at in [0, 1, DIM, 40 * DIM - 1] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut rows = train.clone();
                rows[at] = value;
                let what = format!("{value} at {at} for {config:?}");
                tally.refused(&what, Model::fit(&rows, config.clone()));
            }
        }
        Model::fit(&train, config).unwrap();
    }
    for (left, right) in [(0, 1), (1, 0), (5, 6), (6, 5), (12, 11)] {
        let (a, b) = (&train[..left], &train[..right]);
        let what = format!("{left} and {right} values");
        tally.refused(&format!("mse {what}"), metrics::mse(a, b));
        tally.refused(&format!("relative_mse {what}"), metrics::relative_mse(a, b));
        tally.refused(&format!("max_error {what}"), metrics::max_error(a, b));
        tally.refused(&format!("snr_db {what}"), metrics::snr_db(a, b));
        tally.refused(&format!("mean_cosine {what}"), metrics::mean_cosine(a, b, 1));
    }
    for dim in [0, 5, 7, 13, usize::MAX] {
        let found = metrics::mean_cosine(&train[..12], &train[..12], dim);
        tally.refused(&format!("mean_cosine of rows of {dim}"), found);
    }
    tally.finish("rows and slices", AT_LEAST[3]);
}
