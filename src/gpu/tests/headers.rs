//! The headers of the shader files: what each needs, and what it gives to the others.

use std::collections::{BTreeMap, BTreeSet};

use super::super::kernels::ShaderFile;
use super::shipped_kernels;

/// The names in a file's header lines that begin with this word.
fn names<'a>(file: &'a ShaderFile, word: &str) -> Vec<&'a str> {
    let prefix = format!("// {word}: ");
    let lines = file.text.lines().filter_map(|line| line.strip_prefix(prefix.as_str()));
    lines.flat_map(|line| line.split(", ")).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a file outside comments.
fn words(file: &ShaderFile) -> BTreeSet<&str> {
    let code = file.text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c| !is_word(c))).filter(|word| !word.is_empty()).collect()
}

/// What a file declares at its top level.
fn declared(file: &ShaderFile) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for line in file.text.lines().filter(|line| !line.starts_with([' ', '}', '/'])) {
        for keyword in [
            "fn ",
            "const ",
            "override ",
            "alias ",
            "struct ",
            "read> ",
            "read_write> ",
            "<workgroup> ",
            "<uniform> ",
        ] {
            if let Some((_, rest)) = line.split_once(keyword) {
                found.insert(rest.split(|c| !is_word(c)).next().unwrap_or_default());
                break;
            }
        }
    }
    found
}

#[test]
fn headers_say_what_files_declare_and_use() {
    let mut problems = Vec::new();
    for file in crate::gpu::kernels::all_shader_files() {
        let (needs, gives) = (names(file, "needs"), names(file, "gives"));
        let (words, declared) = (words(file), declared(file));
        for name in &gives {
            if !declared.contains(name) {
                problems.push(format!("{} gives {name} and does not declare it", file.path));
            }
        }
        for name in &needs {
            if declared.contains(name) || !words.contains(name) {
                problems.push(format!("{} needs {name} and does not use it", file.path));
            }
        }
        if !file.text.starts_with("// ") {
            problems.push(format!("{} has no header", file.path));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_name_is_given_once_where_it_is_needed() {
    let mut problems = BTreeSet::new();
    let all: BTreeMap<&str, Vec<&str>> = crate::gpu::kernels::all_shader_files()
        .iter()
        .map(|file| (file.path, declared(file).into_iter().collect()))
        .collect();
    for kernel in shipped_kernels() {
        for file in &kernel.files {
            for name in names(file, "needs") {
                let givers = kernel.files.iter().filter(|f| names(f, "gives").contains(&name));
                let givers: Vec<&str> = givers.map(|f| f.path).collect();
                if givers.len() != 1 {
                    let path = file.path;
                    problems.insert(format!("{}: {path} needs {name} of {givers:?}", kernel.name));
                }
            }
            // What another file declares is needed by name.
            let (used, needs) = (words(file), names(file, "needs"));
            for other in kernel.files.iter().filter(|other| other.path != file.path) {
                for name in
                    all[other.path].iter().filter(|name| names(other, "gives").contains(*name))
                {
                    if used.contains(name)
                        && !needs.contains(name)
                        && !all[file.path].contains(name)
                    {
                        problems.insert(format!("{} uses {name} of {}", file.path, other.path));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_name_that_is_given_is_needed() {
    let mut unneeded = BTreeSet::new();
    for file in crate::gpu::kernels::all_shader_files() {
        unneeded.extend(names(file, "gives").into_iter().map(|name| (file.path, name)));
    }
    for kernel in shipped_kernels() {
        for file in &kernel.files {
            for needed in names(file, "needs") {
                let givers = kernel.files.iter().filter(|f| names(f, "gives").contains(&needed));
                givers.for_each(|giver| {
                    unneeded.remove(&(giver.path, needed));
                });
            }
        }
    }
    // Weight-stationary kernels need the types of matrices, and there are none of 8 x 8.
    unneeded.remove(&("gemm/coop_8x8.wgsl", "LhsMatrix"));
    unneeded.remove(&("gemm/coop_8x8.wgsl", "RhsMatrix"));
    assert!(unneeded.is_empty(), "{unneeded:?}");
}
