//! The source itself: arrows run one way, files stay short, `unsafe` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules above the leaves, and what each may use. Any other module of `src/` is a leaf, and a
/// leaf may use `error` alone; `error` uses nothing.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &["leaves", "error"]),
    ("codes", &["model", "leaves", "error"]),
    ("cpu", &["codes", "model", "leaves", "error"]),
    ("gpu", &["codes", "model", "leaves", "error"]),
    ("codec", &["cpu", "gpu", "codes", "model", "leaves", "error"]),
];
const KNOWS_WGPU: &[&str] = &["gpu", "codec"];
const MAX_LINES: usize = 400;

fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, extensions: &[&str], found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if path.is_dir() {
                walk(&path, extensions, found);
            } else if extensions.contains(&extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), extensions, &mut found);
    found.sort();
    found
}

/// The source without what follows `//` on a line. A string that holds `//` loses its end, which
/// hides nothing here.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The module directly below the root that a file of `src/` belongs to, none for `lib.rs`.
fn module_of(path: &Path) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(root).unwrap().components().next()?;
    let name = first.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    (name != "lib").then_some(name)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// First segments of what follows a path prefix: `a` of `a::b`, `a` and `c` of `{a::{b, d}, c}`.
fn first_segments(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest.chars().take_while(|c| is_word(*c)).collect()];
    };
    let (mut depth, mut items, mut item) = (1, vec![], String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if c == ',' && depth == 1 {
            items.push(std::mem::take(&mut item));
        } else {
            item.push(c);
        }
    }
    items.push(item);
    let first = |item: &String| item.trim_start().chars().take_while(|c| is_word(*c)).collect();
    items.iter().map(first).filter(|name: &String| !name.is_empty()).collect()
}

/// First segments after every occurrence of `prefix` as a path's beginning.
fn paths_from(code: &str, prefix: &str) -> Vec<String> {
    let starts = code.match_indices(prefix).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| !is_word(c) && c != ':' && c != '$')
    });
    starts.flat_map(|(at, _)| first_segments(&code[at + prefix.len()..])).collect()
}

/// Where the names that `lib.rs` re-exports come from.
fn reexports() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let code = code_of(&fs::read_to_string(path).unwrap());
    let mut origins = BTreeMap::new();
    for statement in code.split(';') {
        if let Some(at) = statement.find("pub use ") {
            let path = statement[at + 8..].trim().trim_start_matches("crate::");
            if let Some((module, names)) = path.split_once("::") {
                for name in first_segments(names) {
                    origins.insert(name, module.to_owned());
                }
            }
        }
    }
    origins
}

/// `(from, to)` for every use of one top-level module in another, with the file.
fn arrows() -> Vec<(String, String, PathBuf)> {
    let sources = files("src", &["rs"]);
    let modules: BTreeSet<String> = sources.iter().filter_map(|(p, _)| module_of(p)).collect();
    let origins = reexports();
    let mut arrows = Vec::new();
    for (path, text) in &sources {
        let Some(from) = module_of(path) else { continue };
        let code = code_of(text);
        let mut names = paths_from(&code, "crate::");
        // `super` may climb to the root as well, past a module that has no such child.
        let folder = path.parent().unwrap();
        for name in
            paths_from(&code, "super::").into_iter().chain(paths_from(&code, "super::super::"))
        {
            let at_top = folder.file_name().is_some_and(|name| name == "src");
            let child = folder.join(format!("{name}.rs")).exists() || folder.join(&name).is_dir();
            if at_top || !child {
                names.push(name);
            }
        }
        for name in names {
            let to = origins.get(&name).cloned().unwrap_or(name);
            if modules.contains(&to) && to != from {
                arrows.push((from.clone(), to, path.clone()));
            }
        }
    }
    arrows
}

#[test]
fn no_arrow_runs_back() {
    let arrows = arrows();
    let layer =
        |name: &str| LAYERS.iter().find(|(module, _)| *module == name).map(|(_, uses)| *uses);
    let mut wrong = Vec::new();
    for (from, to, path) in &arrows {
        let allowed = match (layer(from), from.as_str()) {
            (Some(uses), _) => uses,
            (None, "error") => &[],
            (None, _) => &["error"],
        };
        let group = if layer(to).is_none() && to != "error" { "leaves" } else { to };
        if !allowed.contains(&group) {
            wrong.push(format!("{from} -> {to} in {}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "arrows that run back:\n{}", wrong.join("\n"));
    // The reader of sources reads: these arrows are the design itself.
    for expected in [("codec", "cpu"), ("codec", "gpu"), ("cpu", "model"), ("model", "error")] {
        let found = arrows.iter().any(|(from, to, _)| (from.as_str(), to.as_str()) == expected);
        assert!(found, "{expected:?} was not found");
    }
}

#[test]
fn paths_are_read_in_every_form() {
    let code = "use crate::error::Result;\nuse crate::{gpu, cpu::{self, encode}, codes::Codes};\n\
                fn f(m: &crate::model::Model) { mycrate::not(); self::crate_::no() }\n\
                use crate::{\n    plan::Plan,\n    rows,\n};";
    let found = paths_from(code, "crate::");
    assert_eq!(found, ["error", "gpu", "cpu", "codes", "model", "plan", "rows"]);
    assert_eq!(code_of("a // crate::gpu\n/// crate::cpu\nb"), "a \n\nb\n");
}

#[test]
fn only_the_gpu_and_the_face_know_wgpu() {
    let sources = files("src", &["rs"]);
    // The root hands the crate on to callers of `Gpu::from_device`, and that is all it says of it.
    let mentions = |(path, text): &(PathBuf, String)| match module_of(path) {
        Some(module) => !KNOWS_WGPU.contains(&module.as_str()) && code_of(text).contains("wgpu"),
        None => code_of(text).replace("pub use wgpu;", "").contains("wgpu"),
    };
    let wrong: Vec<_> = sources.iter().filter(|file| mentions(file)).map(|(p, _)| p).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    let mut seen = 0;
    for folder in ["src", "shaders", "examples", "tests", "benches", "cli"] {
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
fn unsafe_is_argued() {
    let mut bare = Vec::new();
    for folder in ["src", "examples", "benches", "cli"] {
        for (path, text) in files(folder, &["rs"]) {
            let lines: Vec<&str> = text.lines().collect();
            for (i, line) in lines.iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let is_unsafe = code.split(|c| !is_word(c)).any(|word| word == "unsafe");
                let argued =
                    || lines[i.saturating_sub(8)..i].iter().any(|l| l.contains("// SAFETY: "));
                if is_unsafe && !argued() {
                    bare.push(format!("{}:{}", path.display(), i + 1));
                }
            }
        }
    }
    assert!(bare.is_empty(), "no // SAFETY: above\n{}", bare.join("\n"));
}
