//! `search`.

use std::io::{Cursor, Read as _};

use serde_json::Value;
use vecodec::{Codec, CodecOptions, Codes, CodesWriter, Engine, Hits, Index, Metric, Model};

use crate::sandbox::*;

const SEARCH: &str = "search codes --model model --queries queries.npy --engine cpu";
const QUERIES: usize = 7;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_codes();
    let queries = rows(ROWS, DIM)[20 * DIM..][..QUERIES * DIM].to_vec();
    sandbox.write("queries.npy", npy("<f4", false, &[QUERIES, DIM], &bytes(&queries)));
    sandbox
}

fn codec(sandbox: &Sandbox) -> Codec {
    let model = Model::load(sandbox.path("model")).unwrap();
    Codec::with_options(model, CodecOptions::default().with_engine(Engine::Cpu)).unwrap()
}

/// What the library finds.
fn expected(sandbox: &Sandbox, metric: Metric, k: usize) -> Hits {
    let codes = Codes::load(sandbox.path("codes")).unwrap();
    let index = Index::new(&codec(sandbox), codes, metric).unwrap();
    index.search(&rows(ROWS, DIM)[20 * DIM..][..QUERIES * DIM], k).unwrap()
}

/// The values of an array in an .npz file, and its shape as the header has it.
fn array<T: bytemuck::Pod>(file: &[u8], name: &str, descr: &str) -> (String, Vec<T>) {
    let mut zip = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut member = Vec::new();
    zip.by_name(name).unwrap().read_to_end(&mut member).unwrap();
    let end = 10 + usize::from(u16::from_le_bytes([member[8], member[9]]));
    let header = String::from_utf8(member[10..end].to_vec()).unwrap();
    assert!(header.contains(descr), "{header}");
    let shape = header[header.find("'shape': ").unwrap() + 9..].to_owned();
    (shape, bytemuck::pod_collect_to_vec(&member[end..]))
}

#[test]
fn hits_are_those_of_the_library() {
    let sandbox = sandbox();
    for (option, metric) in [
        ("", Metric::Cosine),
        (" --metric cosine", Metric::Cosine),
        (" --metric inner-product", Metric::InnerProduct),
        (" --metric l2", Metric::L2),
    ] {
        let hits = expected(&sandbox, metric, 3);
        let json: Value =
            serde_json::from_str(&sandbox.run(&format!("{SEARCH} -k 3 --json{option}"))).unwrap();
        assert_eq!(json["metric"], metric.as_str());
        assert_eq!((&json["rows"], &json["queries"]), (&ROWS.into(), &QUERIES.into()));
        for query in 0..QUERIES {
            let (ids, scores) = hits.query(query);
            assert_eq!(json["ids"][query], serde_json::json!(ids));
            for (found, score) in json["scores"][query].as_array().unwrap().iter().zip(scores) {
                assert!((found.as_f64().unwrap() - f64::from(*score)).abs() < 1e-6);
            }
        }
        sandbox.run(&format!("{SEARCH} -k 3 -o hits.npz{option}"));
        let file = sandbox.read("hits.npz");
        let (shape, ids) = array::<i64>(&file, "ids.npy", "<i8");
        assert!(shape.starts_with("(7, 3)"), "{shape}");
        assert!(ids.iter().map(|id| *id as u64).eq(hits.ids.iter().copied()));
        assert_eq!(array::<f32>(&file, "scores.npy", "<f4").1, hits.scores);
    }
    let table = sandbox.run(&format!("{SEARCH} -k 2"));
    assert_eq!(table.lines().count(), 1 + 2 * QUERIES, "{table}");
    let first: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    let id = expected(&sandbox, Metric::Cosine, 2).ids[0].to_string();
    assert_eq!(first[..3], ["0", "1", &id], "{table}");
    // More hits than rows, and an empty file of codes.
    let json: Value =
        serde_json::from_str(&sandbox.run(&format!("{SEARCH} -k 500 --json"))).unwrap();
    assert_eq!(json["k"], ROWS);
    let model = Model::load(sandbox.path("model")).unwrap();
    CodesWriter::create(sandbox.path("codes"), &model).unwrap().finish().unwrap();
    let json: Value = serde_json::from_str(&sandbox.run(&format!("{SEARCH} --json"))).unwrap();
    assert_eq!((&json["k"], &json["rows"]), (&0.into(), &0.into()));
}

#[test]
fn ids_and_indexes_are_read() {
    let sandbox = sandbox();
    let hits = expected(&sandbox, Metric::Cosine, 4);
    let codes = Codes::load(sandbox.path("codes")).unwrap();
    let ids: Vec<u64> = (0..ROWS as u64).map(|row| 5000 - row).collect();
    let index = Index::empty(&codec(&sandbox), Metric::Cosine);
    index.append_with_ids(codes.clone(), &ids).unwrap();
    index.save(sandbox.path("index")).unwrap();
    let mut writer = CodesWriter::create(sandbox.path("codes"), codec(&sandbox).model()).unwrap();
    writer.append_with_ids(&codes, &ids).unwrap();
    writer.finish().unwrap();
    for line in [SEARCH.to_owned(), SEARCH.replace("search codes", "search index")] {
        let json: Value =
            serde_json::from_str(&sandbox.run(&format!("{line} -k 4 --json"))).unwrap();
        let found: Vec<u64> = serde_json::from_value(json["ids"][2].clone()).unwrap();
        assert!(found.iter().map(|id| 5000 - id).eq(hits.query(2).0.iter().copied()), "{found:?}");
    }
    let line = SEARCH.replace("search codes", "search index");
    sandbox.refuse(&format!("{line} --metric l2"), &["index", "cosine", "--metric l2"]);
}

/// So few rows are all scored.
#[test]
fn a_recall_may_be_asked_for() {
    let sandbox = sandbox();
    sandbox.run(&format!("{SEARCH} -o exact.npz"));
    sandbox.run(&format!("{SEARCH} --recall 0.9 -o hits.npz"));
    assert_eq!(sandbox.read("hits.npz"), sandbox.read("exact.npz"));
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let sandbox = sandbox();
    let values = rows(3, DIM - 1);
    sandbox.write("short.npy", npy("<f4", false, &[3, DIM - 1], &bytes(&values)));
    let mut values = rows(3, DIM);
    values[DIM + 2] = f32::NAN;
    sandbox.write("nan.npy", npy("<f4", false, &[3, DIM], &bytes(&values)));
    sandbox.run("fit data.npy --latent 3 -o other");
    for (line, words) in [
        (SEARCH.replace("queries.npy", "short.npy"), &["short.npy", "11", "12"][..]),
        (SEARCH.replace("queries.npy", "nan.npy"), &["nan.npy", "row 1, column 2"]),
        (SEARCH.replace("queries.npy", "no.npy"), &["no.npy", "no such file"]),
        (SEARCH.replace("--model model", "--model other"), &["codes", "other"]),
        (SEARCH.replace("search codes", "search data.npy"), &["data.npy"]),
        (SEARCH.replace("search codes", "search ."), &["index.json"]),
        (format!("{SEARCH} -o hits.npy"), &["hits.npy", ".npz"]),
        (format!("{SEARCH} -o queries.npy"), &["queries.npy"]),
        (format!("{SEARCH} -o no/hits.npz"), &["no"]),
    ] {
        sandbox.refuse(&line, words);
    }
    for options in ["-k 0", "-k x", "--metric dot", "--recall 0", "--recall 1.5"] {
        assert_eq!(
            sandbox.output(&format!("{SEARCH} {options}")).status.code(),
            Some(2),
            "{options}"
        );
    }
}
