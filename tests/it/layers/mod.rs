//! Rules for the source: imports follow the layers, files stay short, and `unsafe` has a reason.

mod graph;

use std::fs;
use std::path::{Path, PathBuf};

use graph::{Graph, Sources, circle, graph};

/// What each part of `src` may import from, besides itself. A part is a folder or a file; the longest
/// name that fits counts. `+` means all of [`LEAVES`].
const PARTS: &[(&str, &[&str])] = &[
    ("error", &["fingerprint"]),
    ("fingerprint", &["error"]),
    ("model", LEAVES),
    ("codes", &["model", "+"]),
    ("search", &["codes", "model", "+"]),
    ("cpu", &["codes", "model", "search", "+"]),
    ("gpu/device", LEAVES),
    ("gpu/kernels", &["gpu/device", "+"]),
    ("gpu/chunk", &["gpu/device", "+"]),
    ("gpu/programs", &["gpu/device", "gpu/kernels", "gpu/chunk", "model", "+"]),
    (
        "gpu/search",
        &["gpu/device", "gpu/kernels", "gpu/chunk", "gpu/programs", "model", "search", "+"],
    ),
    (
        "gpu/tests",
        &[
            "gpu/device",
            "gpu/kernels",
            "gpu/chunk",
            "gpu/programs",
            "gpu/search",
            "codec",
            "index",
            "codes",
            "model",
            "search",
            "+",
        ],
    ),
    ("gpu", &[]),
    (
        "codec",
        &[
            "cpu",
            "gpu/device",
            "gpu/kernels",
            "gpu/chunk",
            "gpu/programs",
            "gpu/search",
            "codes",
            "model",
            "search",
            "+",
        ],
    ),
    ("index", &["codec", "codes", "model", "search", "+"]),
    ("lib", &[]),
];
/// Parts that import only errors and each other; `+` above.
const LEAVES: &[&str] = &[
    "bit_codes",
    "data",
    "element",
    "error",
    "fingerprint",
    "linear",
    "memory",
    "metrics",
    "mixture",
    "plan",
    "quantize",
    "rows",
    "sample",
    "simd",
    "tensors",
    "wait",
];
/// Where files may name wgpu: a folder, or a file.
const KNOWS_WGPU: &[&str] = &["gpu/", "codec/", "index/record.rs"];
const MAX_LINES: usize = 400;

fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if path.is_dir() {
                collect(&path, extensions, found);
            } else if extensions.contains(&extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), extensions, &mut found);
    found.sort();
    found
}

/// The source without the comments. A string that holds `//` loses its end, which no test here needs.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The sources of the library, by path below `src`.
fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let below =
        |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
    files("src", &["rs"]).into_iter().map(|(path, text)| (below(&path), text)).collect()
}

/// The part that a file belongs to: of [`PARTS`] or of [`LEAVES`].
fn part_of(file: &str) -> &'static str {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let fits = |part: &&'static str| name == *part || name.starts_with(&format!("{part}/"));
    let parts = PARTS.iter().map(|(part, _)| *part).chain(LEAVES.iter().copied());
    parts.filter(fits).max_by_key(|part| part.len()).unwrap_or_else(|| panic!("{file} has no part"))
}

/// Imports that the parts do not allow.
fn forbidden(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (file, targets) in graph {
        let from = part_of(file);
        let allowed =
            PARTS.iter().find(|(part, _)| *part == from).map_or(LEAVES, |(_, uses)| *uses);
        for target in targets {
            let to = part_of(target);
            let fits = |part: &&str| *part == to || (*part == "+" && LEAVES.contains(&to));
            if from != to && !allowed.iter().any(fits) {
                found.push(format!("{file} -> {target}"));
            }
        }
    }
    found
}

#[test]
fn imports_follow_the_layers() {
    let graph = graph(&sources());
    assert_eq!(circle(&graph), None, "files that import each other");
    let wrong = forbidden(&graph);
    assert!(wrong.is_empty(), "imports that the parts do not allow:\n{}", wrong.join("\n"));
    // These imports must be found, or the graph is incomplete.
    for (from, to) in [
        ("codec/engine.rs", "cpu/decode.rs"),
        ("codec/gpu_engine.rs", "gpu/programs/program.rs"),
        ("gpu/programs/verbs.rs", "gpu/kernels/gemm.rs"),
        ("gpu/device/gpu.rs", "gpu/device/device_queue.rs"),
        ("cpu/encode.rs", "quantize.rs"),
    ] {
        assert!(graph[from].contains(to), "{from} -> {to} was not found");
    }
}

/// `codec/engine.rs` is the one file that knows both engines.
#[test]
fn one_file_knows_both_engines() {
    let graph = graph(&sources());
    let knows = |file: &str, part: &str| graph[file].iter().any(|to| to.starts_with(part));
    let both = graph.keys().filter(|file| knows(file, "cpu/") && knows(file, "gpu/"));
    let both: Vec<&String> = both.filter(|file| *file != "codec/engine.rs").collect();
    // Options hold data of either engine and do not choose between engines.
    assert_eq!(both, ["codec/options.rs"]);
}

#[test]
fn a_planted_circle_is_found() {
    let clean = sources();
    for (file, line) in [
        ("plan/mod.rs", "use crate::codec::Codec;"),
        ("plan/mod.rs", "pub(crate) use crate::codec::Codec;"),
        ("gpu/device/signal.rs", "use super::Gpu;"),
        ("gpu/kernels/tiling.rs", "fn f() { super::gemm::gemm(); }"),
        ("codec/ring.rs", "use super::engine;"),
        ("cpu/decode.rs", "use crate::codec::{Codec, CodecOptions};"),
    ] {
        let mut planted = clean.clone();
        planted.get_mut(file).unwrap().push_str(line);
        let found = circle(&graph(&planted)).unwrap_or_else(|| panic!("{line} in {file}"));
        assert!(found.iter().any(|member| member == file), "{found:?} without {file}");
    }
    // An import that makes no circle and still breaks the layers.
    let mut planted = clean;
    planted.get_mut("gpu/chunk/pool.rs").unwrap().push_str("use crate::gpu::KernelOptions;");
    assert_eq!(forbidden(&graph(&planted)), ["gpu/chunk/pool.rs -> gpu/kernels/tiling.rs"]);
}

#[test]
fn only_some_files_import_wgpu() {
    // The crate root re-exports wgpu for callers of `Gpu::from_device`.
    let mentions = |path: &str, text: &str| {
        let knows = KNOWS_WGPU.iter().any(|part| path.starts_with(part));
        !knows && code_of(text).replace("pub use wgpu;", "").contains("wgpu")
    };
    let all = sources();
    let wrong: Vec<_> = all.iter().filter(|(path, text)| mentions(path, text)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    let mut seen = 0;
    for folder in
        ["src", "shaders", "examples", "tests", "benches", "cli", "fuzz/src", "fuzz/fuzz_targets"]
    {
        for (path, text) in files(folder, &["rs", "wgsl"]) {
            seen += 1;
            let lines = text.lines().count();
            if lines > MAX_LINES {
                long.push(format!("{lines} lines: {}", path.display()));
            }
        }
    }
    assert!(seen > 30, "only {seen} files were found");
    assert!(long.is_empty(), "more than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn unsafe_code_has_a_reason() {
    let mut bare = Vec::new();
    for folder in ["src", "examples", "benches", "cli"] {
        for (path, text) in files(folder, &["rs"]) {
            let lines: Vec<&str> = text.lines().collect();
            for (i, line) in lines.iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let is_unsafe = code.split(|c| !is_word(c)).any(|word| word == "unsafe");
                // The docs of an `unsafe fn` say what a caller must promise.
                let argued = || {
                    let above = &lines[i.saturating_sub(14)..i];
                    above.iter().any(|l| l.contains("// SAFETY: ") || l.contains("/// # Safety"))
                };
                if is_unsafe && !argued() {
                    bare.push(format!("{}:{}", path.display(), i + 1));
                }
            }
        }
    }
    assert!(bare.is_empty(), "no // SAFETY: above\n{}", bare.join("\n"));
}
