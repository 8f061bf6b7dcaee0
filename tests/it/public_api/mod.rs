//! `docs/public-api.txt`: every public item of the library, one per line. A change of the public face
//! is a change of this file, which a reviewer sees.
//!
//! The list is read from the sources, so that no nightly toolchain and no network is needed. It has
//! what the sources say: it does not know auto traits such as `Send`.

mod items;
mod sources;

use std::fs;
use std::path::Path;

use items::lines;
use sources::Crate;

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/public-api.txt")
}

/// Run with `VECODEC_UPDATE_TABLES=1` to write the list.
#[test]
fn the_list_of_public_items_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let found = lines(&Crate::read(&read));
    assert!(found.len() > 200, "only {} items were found", found.len());
    let expected = found.join("\n") + "\n";
    if std::env::var_os("VECODEC_UPDATE_TABLES").is_some() {
        fs::write(file(), expected).unwrap();
        return;
    }
    let stored = fs::read_to_string(file()).unwrap_or_default();
    let stored_lines: Vec<&str> = stored.lines().collect();
    let added = found.iter().filter(|line| !stored_lines.contains(&line.as_str()));
    let removed = stored_lines.iter().filter(|line| !found.iter().any(|found| found == *line));
    let changes: Vec<String> =
        added.map(|l| format!("+ {l}")).chain(removed.map(|l| format!("- {l}"))).collect();
    assert!(
        stored == expected,
        "docs/public-api.txt is stale: set VECODEC_UPDATE_TABLES=1 once\n{}",
        changes.join("\n")
    );
}

/// The items of a crate of a few lines, so that the list is known to hold what it should.
#[test]
fn a_small_crate_is_listed_in_full() {
    let read = |path: &str| {
        let text = match path {
            "lib.rs" => {
                "mod a; #[cfg(feature = \"files\")] mod b; pub mod c;
                 pub use a::{Kind, Thing}; pub use c::Shared as Renamed; pub use half::f16;"
            }
            "a.rs" => {
                "#[derive(Clone, Debug)] #[must_use] pub struct Thing<T = f32> { pub size: usize, hidden: T }
                 #[non_exhaustive] pub enum Kind { One, Two(u8), #[non_exhaustive] Three { x: f32 } }
                 impl<T: Copy> Thing<T> { pub const fn new(x: &[T]) -> Option<&mut Self> { None } fn hidden() {} 
                     pub(crate) fn internal() {} pub const SIZE: usize = 3; }
                 impl From<Kind> for Thing { fn from(_: Kind) -> Self { todo!() } }
                 trait Private {} impl Private for Thing {}
                 pub struct Unreachable; impl Unreachable { pub fn nothing() {} }
                 #[cfg(test)] mod tests { impl super::Thing { pub fn of_a_test() {} } }"
            }
            "b/mod.rs" => "impl crate::Thing { pub async fn save<P: AsRef<Path>>(&self, p: P) -> Result<()> { } }",
            "c.rs" => "pub trait Shared: Copy { const N: usize; fn get(&self) -> u8; }
                       impl Shared for f32 {} pub fn free(a: (u8, u8)) -> [f32; 2] { } fn private() {}
                       pub type Pair<'a> = (&'a str, u8); pub const LEN: usize = 1;",
            _ => return None,
        };
        Some(text.to_owned())
    };
    let found = lines(&Crate::read(&read));
    let expected = [
        "const c::LEN: usize",
        "enum Kind, non_exhaustive",
        "enum Kind: Kind::One",
        "enum Kind: Kind::Three { x: f32 }, non_exhaustive",
        "enum Kind: Kind::Two(u8)",
        "fn c::free(a: (u8, u8)) -> [f32; 2]",
        "impl Clone for Thing",
        "impl Debug for Thing",
        "impl From<Kind> for Thing",
        "impl Shared for f32",
        "impl Thing: async fn save<P: AsRef<Path>>(&self, p: P) -> Result<()> [files]",
        "impl<T: Copy> Thing<T>: const SIZE: usize",
        "impl<T: Copy> Thing<T>: const fn new(x: &[T]) -> Option<&mut Self>",
        "mod c",
        "struct Thing: private fields",
        "struct Thing: pub size: usize",
        "struct Thing<T = f32>, must_use",
        "trait Renamed: Copy",
        "trait Renamed: const N: usize",
        "trait Renamed: fn get(&self) -> u8",
        "trait c::Shared: Copy",
        "trait c::Shared: const N: usize",
        "trait c::Shared: fn get(&self) -> u8",
        "type c::Pair<'a> = (&'a str, u8)",
        "use half::f16",
    ];
    assert_eq!(found, expected);
}
