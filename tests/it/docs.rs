//! Statements of the documents about the code.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_readme_shows_its_examples_as_they_are() {
    for name in ["examples/search.rs", "examples/quickstart.rs"] {
        let example = read(name);
        assert!(example.lines().count() <= 40, "a first example is short");
        let (_, code) = example.split_once("\n\n").expect("a header, then the code");
        let block = format!("```rust\n{code}```");
        assert!(read("README.md").contains(&block), "README.md and {name} differ");
    }
}

#[test]
fn both_readmes_show_one_python_example() {
    let package = read("python/README.md");
    let (_, rest) = package.split_once("```python\n").expect("an example");
    let (code, _) = rest.split_once("```").expect("its end");
    assert!(code.contains("import vecodec"));
    assert!(read("README.md").contains(&format!("```python\n{code}```")));
}

#[test]
fn the_readme_names_the_manifests_compiler() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let version = version.trim_matches('"');
    assert!(read("README.md").contains(&format!("Rust {version}")));
    assert!(read(".github/workflows/ci.yml").contains(&format!("toolchain install {version}")));
}

#[test]
fn the_architecture_fits_on_a_few_pages() {
    assert!(read("docs/architecture.md").lines().count() <= 150);
}
