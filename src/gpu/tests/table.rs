//! `shaders/README.md`: which kernel is made from which files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::super::kernels::{Kernel, all_shader_files};
use super::shipped_kernels;
use super::translate::targets;

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/README.md")
}

/// What the file must hold: its text up to the table, then a line for each kernel.
fn table(kernels: &BTreeMap<String, Kernel>) -> String {
    let mut text =
        String::from("| kernel | files | MSL | SPIR-V | HLSL |\n|---|---|---|---|---|\n");
    for (name, kernel) in kernels {
        let files: Vec<&str> =
            kernel.files.iter().map(|f| f.path.trim_end_matches(".wgsl")).collect();
        let (msl, hlsl) = targets(kernel);
        let yes = |yes| if yes { "yes" } else { "no" };
        let files = files.join(", ");
        text += &format!("| `{name}` | {files} | {} | yes | {} |\n", yes(msl), yes(hlsl));
    }
    text
}

/// Run with `VECODEC_UPDATE_TABLES=1` to write the table.
#[test]
fn the_table_of_kernels_is_up_to_date() {
    let mut kernels = BTreeMap::new();
    for kernel in shipped_kernels() {
        kernels.entry(kernel.name.clone()).or_insert(kernel);
    }
    let found = fs::read_to_string(path()).unwrap();
    let start = found.find("| kernel |").expect("shaders/README.md has a table of kernels");
    let expected = found[..start].to_owned() + &table(&kernels);
    if std::env::var_os("VECODEC_UPDATE_TABLES").is_some() {
        fs::write(path(), expected).unwrap();
        return;
    }
    assert!(found == expected, "shaders/README.md is stale: set VECODEC_UPDATE_TABLES=1 once");
}

#[test]
fn kernels_of_one_name_are_made_from_the_same_files() {
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut names: BTreeMap<Vec<&str>, String> = BTreeMap::new();
    for kernel in shipped_kernels() {
        let paths: Vec<&str> = kernel.files.iter().map(|file| file.path).collect();
        let found = files.entry(kernel.name.clone()).or_insert_with(|| paths.clone());
        assert_eq!(*found, paths, "{} is the name of two kernels", kernel.name);
        // And one set of files has one name, except for weight-stationary kernels, whose operands are
        // distinguished by a constant.
        let name = names.entry(paths).or_insert_with(|| kernel.name.clone());
        let plain = |name: &str| match name.contains("_stationary") {
            true => name.replace(".2xf16.", ".f16."),
            false => name.to_owned(),
        };
        assert_eq!(plain(name), plain(&kernel.name), "two names for one kernel");
    }
}

#[test]
fn every_shader_file_ships() {
    let kernels = shipped_kernels();
    let used: BTreeSet<&str> =
        kernels.iter().flat_map(|kernel| kernel.files.iter().map(|file| file.path)).collect();
    let known: BTreeSet<&str> = all_shader_files().iter().map(|file| file.path).collect();
    assert_eq!(used, known, "files that no kernel is made from");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut found = BTreeSet::new();
    for folder in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            found.insert(file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"));
        }
    }
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    assert_eq!(found, known, "files in shaders/ that the library does not know");
}
