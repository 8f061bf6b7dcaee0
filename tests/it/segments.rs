//! Files of codes that are written as they come: segments, their checksums, and ids.

use std::fs;
use std::path::Path;

use vecodec::{Codes, CodesReader, CodesWriter, Error, Model, ModelConfig, RowNorm};

use crate::damage::span_of;
use crate::data::{Options, Random};
use crate::engines::{codec, cpu};
use crate::files::{names, some_codes};

/// As docs/format.md says.
const SEGMENT_ROWS: usize = 1024;

fn ids(rows: usize) -> Vec<u64> {
    // The first ids have all bits.
    (0..rows as u64).map(|row| u64::MAX - row * 0x1_0001).collect()
}

/// A model of 8-bit codes, one whose rows store norms, and one whose rows store none, and their codes.
fn batches(rows: usize) -> [(Model, Codes); 3] {
    let fit = |norm| {
        let config = ModelConfig::bits(6, 7).with_row_norm(norm);
        Model::fit(&Random::new(98).normals(40 * 6, 1.0), config).unwrap()
    };
    let values = Random::new(99).normals(rows * 6, 1.0);
    let models = [Options::PLAIN.model(6, 5, 96), fit(RowNorm::Store), fit(RowNorm::Omit)];
    models.map(|model| {
        let codes = codec(&cpu(), &model).encode_flat(&values).unwrap();
        (model, codes)
    })
}

fn write(path: &Path, model: &Model, codes: &Codes, ids: Option<&[u64]>, block_rows: usize) {
    let mut writer = CodesWriter::create(path, model).unwrap();
    for start in (0..codes.row_count()).step_by(block_rows) {
        let rows = start..codes.row_count().min(start + block_rows);
        let block = codes.slice(rows.clone()).unwrap();
        match ids {
            Some(ids) => writer.append_with_ids(&block, &ids[rows]).unwrap(),
            None => writer.append(&block).unwrap(),
        }
    }
    writer.finish().unwrap();
}

/// Blocks that end within segments, at their ends and behind them.
#[test]
fn blocks_of_any_size_give_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, blocks, with_ids] =
        ["whole", "blocks", "with_ids"].map(|name| folder.path().join(name));
    for rows in [1, SEGMENT_ROWS - 1, SEGMENT_ROWS, SEGMENT_ROWS + 1, 2 * SEGMENT_ROWS + 77] {
        for (model, codes) in batches(rows) {
            codes.save(&whole).unwrap();
            for block_rows in [rows, SEGMENT_ROWS, SEGMENT_ROWS + 1, 997] {
                write(&blocks, &model, &codes, None, block_rows);
                let same = fs::read(&blocks).unwrap() == fs::read(&whole).unwrap();
                assert!(same, "{model:?}, {rows} rows in blocks of {block_rows}");
                write(&blocks, &model, &codes, Some(&ids(rows)), block_rows);
                codes.save_with_ids(&with_ids, &ids(rows)).unwrap();
                assert!(fs::read(&blocks).unwrap() == fs::read(&with_ids).unwrap(), "{rows} rows");
                let mut reader = CodesReader::open(&blocks).unwrap();
                assert!(reader.has_ids());
                let (found, found_ids) = reader.read_with_ids(0..rows).unwrap();
                assert_eq!((found, found_ids), (codes.clone(), ids(rows)), "{rows} rows");
            }
            assert_eq!(Codes::load(&whole).unwrap(), codes, "{rows} rows");
            assert_eq!(Codes::load(&blocks).unwrap(), codes, "ids change no rows");
        }
    }
    assert_eq!(names(folder.path()), ["blocks", "whole", "with_ids"]);
}

#[test]
fn parts_are_read_with_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let rows = 3 * SEGMENT_ROWS + 5;
    for (model, codes) in batches(rows) {
        write(&path, &model, &codes, Some(&ids(rows)), 1000);
        let mut reader = CodesReader::open(&path).unwrap();
        for (start, end) in
            [(0, 1), (1023, 1025), (1024, 2048), (5, 3000), (rows - 1, rows), (3072, rows)]
        {
            let (found, found_ids) = reader.read_with_ids(start..end).unwrap();
            assert_eq!(found, codes.slice(start..end).unwrap(), "{start}..{end}");
            assert_eq!(found_ids, ids(rows)[start..end], "{start}..{end}");
        }
        let error = reader.read_with_ids(rows..rows + 1).unwrap_err();
        assert!(matches!(error, Error::RowOutOfRange { .. }), "{error:?}");
    }
    let (model, codes) = &batches(3)[0];
    write(&path, model, codes, None, 3);
    let mut reader = CodesReader::open(&path).unwrap();
    assert!(!reader.has_ids() && reader.read_with_ids(0..3).unwrap().1.is_empty());
}

/// More ids than the writer keeps in memory.
#[test]
fn ids_wait_in_a_file_that_is_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let model = Options::PLAIN.model(1, 1, 96);
    let rows = 300_000;
    let codes = some_codes(&model, rows);
    write(&path, &model, &codes, Some(&ids(rows)), 70_000);
    let found = CodesReader::open(&path).unwrap().read_with_ids(0..rows).unwrap();
    assert!(found == (codes.clone(), ids(rows)));
    let mut dropped = CodesWriter::create(&path, &model).unwrap();
    dropped.append_with_ids(&codes, &ids(rows)).unwrap();
    drop(dropped);
    assert_eq!(names(folder.path()), ["codes"]);
}

/// A flipped bit of rows, ids, checksums or the scale is an error that names the rows, and the rows of
/// other segments can be read.
#[test]
fn an_altered_segment_is_refused_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let rows = 2 * SEGMENT_ROWS + 9;
    for (model, codes) in batches(rows) {
        write(&path, &model, &codes, Some(&ids(rows)), 500);
        let good = fs::read(&path).unwrap();
        for (tensor, value_bytes) in [("codes", good.len() / rows), ("ids", 8)] {
            let span = span_of(&good, tensor);
            let record_bytes = if tensor == "codes" { span.len() / rows } else { value_bytes };
            for row in [0, SEGMENT_ROWS, rows - 1] {
                let mut bytes = good.clone();
                bytes[span.start + row * record_bytes] ^= 4;
                fs::write(&path, &bytes).unwrap();
                let first = row / SEGMENT_ROWS * SEGMENT_ROWS;
                let last = rows.min(first + SEGMENT_ROWS) - 1;
                let mut reader = CodesReader::open(&path).unwrap();
                for read in [first..first + 1, last..last + 1, 0..rows] {
                    let error = reader.read(read).unwrap_err();
                    assert!(matches!(error, Error::Format { .. }), "{error:?}");
                    let message = error.to_string();
                    assert!(message.contains(&format!("rows {first} to {last}")), "{message}");
                }
                let other = (first + SEGMENT_ROWS) % (2 * SEGMENT_ROWS);
                assert_eq!(
                    reader.read(other..other + 9).unwrap(),
                    codes.slice(other..other + 9).unwrap()
                );
            }
        }
        let mut bytes = good.clone();
        bytes[span_of(&good, "checksums").start] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(Codes::load(&path).is_err());
        if codes.scales().len() == 1 {
            let mut bytes = good.clone();
            bytes[span_of(&good, "scale").start] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(Codes::load(&path).is_err(), "another scale");
        }
    }
}
