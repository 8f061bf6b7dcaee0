//! Thousands of bad inputs: files that were cut off, altered or made up, and bad calls. Each ends in
//! an error of one line, or in an object that can be used. After each group the codec still works.
//!
//! The tests count distinct inputs and require a number of them, so that no group is empty by
//! mistake. A panic fails the test: nothing here catches panics.

mod altered;
mod calls;
mod disagree;
#[path = "../../../fuzz/src/draft.rs"]
mod draft;
mod fixtures;
mod numbers;
mod tensors;

use std::collections::HashSet;
use std::path::Path;

use vecodec::{Codes, CodesReader, Error, Model};

use fixtures::{Fixture, assert_works};

/// What the groups must try at least. They try more; these numbers follow from their lists.
const AT_LEAST: [usize; 5] = [9_000, 600, 500, 150, 250];
const _: () = assert!(AT_LEAST[0] + AT_LEAST[1] + AT_LEAST[2] + AT_LEAST[3] + AT_LEAST[4] > 2000);

/// The error of a file that can be read is of the file, or of a part of the model in it.
#[track_caller]
fn of_format<T>(what: &str, result: vecodec::Result<T>) -> vecodec::Result<T> {
    if let Err(error) = &result {
        let of_model = matches!(error, Error::NonFiniteWeight { .. } | Error::BitPlanLength { .. });
        assert!(of_model || matches!(error, Error::Format { .. }), "{what}: {error:?}");
    }
    result
}

/// Tries inputs and counts the distinct ones.
struct Tally {
    folder: tempfile::TempDir,
    seen: HashSet<[u8; 32]>,
    refused: usize,
    loaded: usize,
}

impl Tally {
    fn new() -> Self {
        // Writing thousands of files to a disk would take longer than all the rest.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self { folder: folder.unwrap(), seen: HashSet::new(), refused: 0, loaded: 0 }
    }

    /// Counts an input, by the bytes of a file or a text that distinguishes a call.
    fn count(&mut self, input: impl AsRef<[u8]>) {
        self.seen.insert(*blake3::hash(input.as_ref()).as_bytes());
    }

    /// The object of a result, or nothing after an error, which must have one line.
    fn outcome<T>(&mut self, input: &str, result: vecodec::Result<T>) -> Option<T> {
        match result {
            Ok(object) => {
                self.loaded += 1;
                Some(object)
            }
            Err(error) => {
                self.refused += 1;
                let text = error.to_string();
                assert!(!text.is_empty() && !text.contains('\n'), "{input}: {text:?}");
                None
            }
        }
    }

    /// Counts a call, which must be refused.
    #[track_caller]
    fn refused<T>(&mut self, input: &str, result: vecodec::Result<T>) {
        self.count(input);
        assert!(self.outcome(input, result).is_none(), "{input} was accepted");
    }

    /// Loads a model from these bytes. What loads is used.
    fn model(&mut self, what: &str, bytes: &[u8]) -> Option<Model> {
        self.count(bytes);
        let path = self.folder.path().join("model");
        std::fs::write(&path, bytes).unwrap();
        let model = self.outcome(what, of_format(what, Model::load(&path)))?;
        assert_works(&model, what);
        Some(model)
    }

    /// Loads codes from these bytes. What loads is read in blocks, cut, joined, and decoded.
    fn codes(&mut self, what: &str, bytes: &[u8], fixture: &Fixture) -> Option<Codes> {
        self.count(bytes);
        let path = self.folder.path().join("codes");
        std::fs::write(&path, bytes).unwrap();
        let loaded = Codes::load(&path);
        let reader = CodesReader::open(&path);
        assert!(loaded.is_err() || reader.is_ok(), "{what}: loads and cannot be opened");
        let codes = self.outcome(what, of_format(what, loaded))?;
        let rows = codes.row_count();
        assert_eq!(reader.unwrap().read(0..rows).unwrap(), codes, "{what}: in one block");
        let mut joined = codes.slice(0..1).unwrap();
        if rows > 1 {
            joined.append(&codes.slice(1..rows).unwrap()).unwrap();
        }
        assert_eq!(joined.as_bytes(), codes.as_bytes(), "{what}: in two parts");
        match fixture.codec.decode_flat(&codes) {
            Ok(decoded) => {
                assert_eq!(codes.fingerprint(), fixture.model.fingerprint(), "{what}");
                assert_eq!(decoded.len(), rows * fixture.model.config().dim, "{what}");
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{what}: {error}"),
        }
        Some(codes)
    }

    /// Ends a group: enough inputs were tried, and the codecs of all fixtures work.
    fn finish(self, group: &str, at_least: usize) {
        let Self { seen, refused, loaded, .. } = self;
        println!("{group}: {} distinct inputs, {refused} refused, {loaded} valid", seen.len());
        assert!(seen.len() >= at_least, "{group}: only {} distinct inputs", seen.len());
        assert!(refused > 0, "{group}: nothing was refused");
        Fixture::all().iter().for_each(Fixture::assert_works);
    }
}
