//! An index on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use vecodec::{Codec, Codes, Error, Hits, Index, Metric, ModelConfig, Regions, RowNorm};

use super::{case, queries};
use crate::engines::{codec, cpu};

/// A codec, codes and queries.
struct Setup {
    codec: Codec,
    codes: Codes,
    queries: Vec<Vec<f32>>,
}

fn setup(config: impl Into<ModelConfig>) -> Setup {
    let case = case(24, 3000, config, false);
    let codec = codec(&cpu(), &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    Setup { codes, codec, queries: queries(9, &case.rows, 24) }
}

fn bits() -> Setup {
    setup(ModelConfig::bits(24, 9).with_regions(Regions::Count(3)))
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(named).collect()
}

fn opened(setup: &Setup, folder: &Path) -> (Index, Hits) {
    let index = Index::open(&setup.codec, folder).unwrap();
    let hits = index.search(&setup.queries, 12).unwrap();
    (index, hits)
}

#[test]
fn an_opened_index_finds_what_the_saved_one_found() {
    for config in [
        ModelConfig::from(ModelConfig::bits(24, 9).with_regions(Regions::Count(3))),
        ModelConfig::bits(24, 13).with_row_norm(RowNorm::Store).into(),
        ModelConfig::int8(24, 9).into(),
    ] {
        let setup = setup(config);
        for metric in Metric::ALL {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("index");
            let index = Index::new(&setup.codec, setup.codes.clone(), metric).unwrap();
            let ids: Vec<u64> = (10_000..13_000).rev().collect();
            index.append_with_ids(setup.codes.clone(), &ids).unwrap();
            index.remove(&[3, 5, 10_005, 12_999]).unwrap();
            index.append(setup.codes.slice(0..10).unwrap()).unwrap();
            index.save(&path).unwrap();
            let (found, hits) = opened(&setup, &path);
            assert_eq!(hits, index.search(&setup.queries, 12).unwrap(), "{metric}");
            assert_eq!((found.len(), found.metric()), (index.len(), metric));
            assert_eq!(found.row_count(), index.row_count());
            // Rows that are in files take no memory, except for what the metric needs.
            assert!(
                found.bytes() < index.bytes() / 2 + 150_000,
                "{} {}",
                found.bytes(),
                index.bytes()
            );
            let ids = [12_000, 6001, 0];
            assert_eq!(found.decode_rows(&ids).unwrap(), index.decode_rows(&ids).unwrap());
            // Numbers of later rows continue where they were.
            for index in [&found, &index] {
                index.append(setup.codes.slice(0..2).unwrap()).unwrap();
                index.remove(&[6010, 6011]).unwrap();
            }
        }
    }
}

#[test]
fn a_save_writes_what_is_new() {
    let setup = bits();
    let folder = TempDir::new().unwrap();
    let index = Index::new(&setup.codec, setup.codes.clone(), Metric::Cosine).unwrap();
    index.save(folder.path()).unwrap();
    let first = files(folder.path());
    assert_eq!(first.keys().collect::<Vec<_>>(), ["codes-0.safetensors", "index.json"]);
    let modified =
        || fs::metadata(folder.path().join("codes-0.safetensors")).unwrap().modified().unwrap();
    let before = modified();

    // The same from an index in memory, and from one that was opened.
    let (found, hits) = opened(&setup, folder.path());
    assert_eq!(hits, index.search(&setup.queries, 12).unwrap());
    for (round, index) in [&index, &found, &found].into_iter().enumerate() {
        let rows = setup.codes.slice(round..round + 700).unwrap();
        index.append(rows).unwrap();
        index.remove(&[round as u64]).unwrap();
        index.save(folder.path()).unwrap();
        let now = files(folder.path());
        assert_eq!(now["codes-0.safetensors"], first["codes-0.safetensors"]);
        assert_eq!(modified(), before, "written once");
        let (_, hits) = opened(&setup, folder.path());
        assert_eq!(hits, index.search(&setup.queries, 12).unwrap());
        // What an earlier save left is gone.
        let removed = now.keys().filter(|name| name.starts_with("removed-")).count();
        assert_eq!((removed, now.len()), (1, 4), "{:?}", now.keys());
    }
    found.compact();
    found.save(folder.path()).unwrap();
    let (again, hits) = opened(&setup, folder.path());
    assert_eq!(hits, found.search(&setup.queries, 12).unwrap());
    assert_eq!(again.row_count(), found.len() as u64);
    // Another folder gets all of it.
    let other = TempDir::new().unwrap();
    again.save(other.path()).unwrap();
    assert_eq!(opened(&setup, other.path()).1, hits);
}

#[test]
fn damaged_and_foreign_folders_are_refused() {
    let setup = bits();
    let folder = TempDir::new().unwrap();
    let index = Index::new(&setup.codec, setup.codes.clone(), Metric::L2).unwrap();
    index.remove(&[17]).unwrap();
    index.save(folder.path()).unwrap();
    let whole = files(folder.path());
    let expected = index.search(&setup.queries, 12).unwrap();
    let fails = |label: &str| {
        let error = Index::open(&setup.codec, folder.path()).unwrap_err();
        assert!(matches!(error, Error::Format { .. } | Error::Io { .. }), "{label}: {error:?}");
        error.to_string()
    };
    for (name, bytes) in &whole {
        let path = folder.path().join(name);
        // A bit of each part of each file, and each file cut off or missing.
        for at in [9, bytes.len() / 2, bytes.len() - 1] {
            let mut altered = bytes.clone();
            altered[at] ^= 0x10;
            fs::write(&path, altered).unwrap();
            if name == "index.json" {
                // A list may be altered in many ways, of which some are no harm.
                drop(Index::open(&setup.codec, folder.path()));
            } else {
                fails(&format!("{name}, byte {at}"));
            }
        }
        for len in [0, 8, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            fails(&format!("{name}, {len} bytes"));
        }
        fs::remove_file(&path).unwrap();
        fails(&format!("{name} is missing"));
        fs::write(&path, bytes).unwrap();
    }
    let list = String::from_utf8(whole["index.json"].clone()).unwrap();
    for (from, to, word) in [
        ("\"rows\": 3000", "\"rows\": 2999", "2999"),
        ("\"index\"", "\"codes\"", "codes"),
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("\"l2\"", "\"l3\"", "l3"),
        ("codes-0.safetensors", "../codes-0.safetensors", "../codes-0"),
        ("\"next_id\": 3000", "\"next_id\": 18446744073709551615", "next_id"),
        ("\"first_id\": 0,", "", "ids"),
        ("\"first_id\": 0", "\"first_id\": 18446744073709551615", "ids"),
    ] {
        assert!(list.contains(from), "{from} in {list}");
        fs::write(folder.path().join("index.json"), list.replacen(from, to, 1)).unwrap();
        let message = fails(to);
        assert!(message.contains(word), "{message}");
    }
    fs::write(folder.path().join("index.json"), &list).unwrap();
    assert_eq!(opened(&setup, folder.path()).1, expected);

    let other = setup_of_another_model();
    let error = Index::open(&other.codec, folder.path()).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error}");
}

fn setup_of_another_model() -> Setup {
    setup(ModelConfig::bits(24, 8))
}

#[test]
fn a_save_that_fails_leaves_the_earlier_index() {
    let setup = bits();
    let folder = TempDir::new().unwrap();
    let index = Index::new(&setup.codec, setup.codes.clone(), Metric::Cosine).unwrap();
    index.save(folder.path()).unwrap();
    let expected = index.search(&setup.queries, 12).unwrap();
    let list = folder.path().join("index.json");
    let set_read_only = |is_read_only| {
        let mut permissions = fs::metadata(&list).unwrap().permissions();
        permissions.set_readonly(is_read_only);
        fs::set_permissions(&list, permissions).unwrap();
    };
    set_read_only(true);
    index.append(setup.codes.slice(0..700).unwrap()).unwrap();
    let error = index.save(folder.path()).unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(opened(&setup, folder.path()).1, expected);
    set_read_only(false);
    index.save(folder.path()).unwrap();
    assert_eq!(opened(&setup, folder.path()).1, index.search(&setup.queries, 12).unwrap());

    let busy = TempDir::new().unwrap();
    fs::write(busy.path().join("photo.jpg"), "x").unwrap();
    let error = index.save(busy.path()).unwrap_err();
    assert!(error.to_string().contains("photo.jpg"), "{error}");
    assert_eq!(files(busy.path()).len(), 1);
    let error = index.save(folder.path().join("no").join("such")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
