//! One word, one meaning: words that the repository has retired stay out of its own files.
//!
//! A word that comes back fails here with its file and line. Write the term that the list gives for
//! it, or rephrase the sentence. An exception needs a reason in `ALLOWED`.

use std::fs;
use std::path::{Path, PathBuf};

/// Words that may appear nowhere, with what to write instead.
const RETIRED: &[(&str, &str)] = &[
    // Names.
    ("walk", "tiling"),
    ("walks", "tilings"),
    ("Walk", "Tiling"),
    ("Walks", "tilings"),
    ("KernelShape", "Tiling"),
    ("Product", "Gemm"),
    ("Factor", "Lhs or Rhs"),
    ("factors", "operands or row_scales"),
    ("stream", "bit_codes, or a futures Stream"),
    ("streams", "bit codes"),
    ("streamed", "large_chunks"),
    ("widths", "bits_per_latent"),
    ("with_bytes", "ModelConfig::bits"),
    ("RowScale", "RowNorm"),
    ("matrix_unit", "cooperative matrix"),
    ("matrix_units", "cooperative matrices"),
    ("matrix unit", "cooperative matrix"),
    ("matrix units", "cooperative matrices"),
    ("letters", "a builder that says bias, relu, normalized"),
    ("rests", "low"),
    ("Kept", "Store"),
    ("scoped", "with_error_scopes"),
    ("caught", "with_error_scopes"),
    ("ROWS4", "TILE_M"),
    ("COLUMNS4", "TILE_N"),
    ("STEP4", "TILE_K"),
    // Measures.
    ("encode_vectors_per_s", "encode_rows_per_s"),
    ("decode_vectors_per_s", "decode_rows_per_s"),
    ("vectors_per_s", "rows_per_s"),
    ("encode_per_s", "encode_rows_per_s"),
    ("decode_per_s", "decode_rows_per_s"),
    ("bytes_per_vector", "bytes_per_row"),
    ("r1_at_1", "recall@1"),
    ("r1_at_10", "first@10"),
    ("recall_1_at_10", "first@10"),
    // Prose.
    ("told", "a plain verb"),
    ("word of", "a plain verb"),
    ("texts", "sources or strings"),
    ("stands", "is"),
    ("goes on", "continues"),
    ("go on", "continue"),
    ("no more than", "at most"),
    ("but for", "except for"),
    ("as ever", "as before"),
    ("brings it about", "causes it"),
    ("what becomes of", "what happens to"),
    ("the way it replaces", "what it replaces"),
    ("a H100", "an H100"),
    ("a H200", "an H200"),
    ("rows a second", "rows per second"),
    ("bytes a second", "bytes per second"),
    ("operations a second", "operations per second"),
    ("a second over", "per second over"),
    ("bytes a row", "bytes per row"),
    ("values a row", "values per row"),
    ("bits a row", "bits per row"),
    ("bits a value", "bits per value"),
    ("bits a latent", "bits per latent"),
    ("threads a row", "threads per row"),
    ("rows a call", "rows per call"),
    ("rows a batch", "rows per batch"),
    ("error a row", "error per row"),
    ("entry a value", "entry per value"),
    ("step a value", "step per value"),
    ("values an iteration", "values per iteration"),
];

/// Identifiers that code may not have; as plain English a comment may use them.
const RETIRED_NAMES: &[(&str, &str)] = &[
    ("unit", "descale, normalized or row_exponent"),
    ("units", "descale, normalized or row_exponent"),
    ("factor", "row_scale, an operand or what it scales"),
    ("place", "Span or offset"),
    ("places", "spans or offsets"),
    ("kept", "stored, cached or accumulators"),
    ("keep", "stored, cached or accumulators"),
    ("most", "a name that begins with max_"),
    ("across", "THREADS_N"),
    ("down", "THREADS_M"),
    ("Link", "DeviceQueue, or PcieLink for the bus"),
    ("Kernels", "KernelOptions"),
    ("Mode", "WaitMode"),
    ("Shape", "Tiling"),
];

/// Where a retired word may stay, and why.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    (
        "stream",
        &[
            "src/model/files/",
            "docs/format.md",
            "tests/it/bit_codes.rs",
            "tests/it/bad_inputs/",
            "fuzz/src/",
        ],
        "files written so far have names such as `stream.widths`",
    ),
    (
        "widths",
        &[
            "src/model/files/",
            "docs/format.md",
            "tests/it/bit_codes.rs",
            "tests/it/bad_inputs/",
            "fuzz/src/",
        ],
        "files written so far have names such as `stream.widths`",
    ),
    (
        "stream",
        &[
            "src/codec/mapped.rs",
            "src/codec/asynchronous.rs",
            "src/codec/mod.rs",
            "tests/it/asynchronous.rs",
        ],
        "a futures Stream",
    ),
    ("keep", &["cli/"], "the option --keep of `vecodec eval`"),
];

/// Files that are not the project's own prose or code.
const SKIPPED: &[&str] = &[
    "tests/golden",
    "tests/it/words.rs",
    "benches/record",
    "examples/data",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/regressions",
    "fuzz/target",
    "fuzz/Cargo.lock",
];
const FOLDERS: &[&str] =
    &["src", "shaders", "tests", "benches", "examples", "cli", "docs", "tools", "fuzz"];

/// The repository's own text files: the path below the root, and the contents.
fn own_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if matches!(extension, "md" | "rs" | "toml") || path.ends_with("Makefile") {
            paths.push(path);
        }
    }
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((name, text));
        }
    }
    found.sort();
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How often a line has a word or a phrase, with no letter, digit or `_` beside it.
fn count(line: &str, word: &str) -> usize {
    let is_whole = |(at, _): &(usize, &str)| {
        let (before, after) = (&line[..*at], &line[at + word.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word)
    };
    line.match_indices(word).filter(is_whole).count()
}

/// A line without its comment and its strings. Blank where the whole file is prose.
fn code(name: &str, line: &str) -> String {
    if !name.ends_with(".rs") && !name.ends_with(".wgsl") {
        return String::new();
    }
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

/// What a comment or a paragraph says on a line, without what marks it.
fn prose(line: &str) -> &str {
    line.trim_start_matches(|c: char| c.is_whitespace() || "/!#*|>-".contains(c)).trim_end()
}

fn is_allowed(word: &str, name: &str) -> bool {
    let fits = |(allowed, files, _): &&(&str, &[&str], &str)| {
        *allowed == word && files.iter().any(|file| name.starts_with(file))
    };
    ALLOWED.iter().any(|entry| fits(&entry))
}

/// Every retired word of a file, as `file:line: word`, with what to write instead.
fn retired_in(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let report = |(word, instead): &(&str, &str)| {
            format!("{name}:{}: `{word}`: write {instead}", at + 1)
        };
        let code = code(name, line);
        let next = lines.get(at + 1).copied().unwrap_or_default();
        // A phrase may be broken between two lines.
        let joined = format!("{} {}", prose(line), prose(next));
        for entry @ (word, _) in RETIRED {
            let whole = count(line, word);
            let broken = word.contains(' ') && count(&joined, word) > whole + count(next, word);
            if (whole > 0 || broken) && !is_allowed(word, name) {
                found.push(report(entry));
            }
        }
        for entry @ (word, _) in RETIRED_NAMES {
            if count(&code, word) > 0 && !is_allowed(word, name) {
                found.push(report(entry));
            }
        }
    }
    found
}

#[test]
fn retired_words_stay_away() {
    let files = own_files();
    assert!(files.len() > 150, "only {} files were read", files.len());
    let found: Vec<String> = files.iter().flat_map(|(name, text)| retired_in(name, text)).collect();
    assert!(found.is_empty(), "{} retired words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn planted_words_are_found() {
    let found = |name: &str, text: &str| retired_in(name, text).len();
    assert_eq!(found("src/a.rs", "let walk = 1;"), 1);
    assert_eq!(found("src/a.rs", "let walker = side_walk(1);"), 0);
    assert_eq!(found("src/a.rs", "let kept = 1; // as it is"), 1);
    assert_eq!(found("src/a.rs", "let stored = 1; // what is kept"), 0);
    assert_eq!(found("src/a.rs", "panic!(\"what is kept\");"), 0);
    assert_eq!(found("src/a.rs", "panic!(\"200 rows a second\");"), 1);
    assert_eq!(found("docs/a.md", "takes no more\nthan a day"), 1);
    assert_eq!(found("src/a.rs", "/// It goes\n    /// on from here, and goes on."), 2);
    assert_eq!(found("src/a.rs", "const NAME: &str = \"stream.widths\";"), 2);
    assert_eq!(found("src/model/files/layers.rs", "const NAME: &str = \"stream.widths\";"), 0);
    assert_eq!(retired_in("a.md", "plain\nat a H200"), ["a.md:2: `a H200`: write an H200"]);
}
