//! What the fuzz targets share: valid files, alterations of them, and what is done with whatever
//! loads.
//!
//! An input is read in one of two ways. Where it begins like a safetensors file, it is a file, so
//! that files can be seeds as they are. Otherwise it is a source of choices: the sizes of a valid
//! file, then alterations of its parts, then repairs of what the alterations broke.

pub mod draft;
pub mod exercise;
pub mod mutate;
pub mod valid;

use std::path::{Path, PathBuf};

use arbitrary::{Result, Unstructured};

use draft::Draft;

/// The bytes of a model file to be loaded.
///
/// # Errors
/// The input ends.
pub fn model_file(input: &[u8]) -> Result<Vec<u8>> {
    if let Some(file) = literal(input) {
        return Ok(file);
    }
    let mut u = Unstructured::new(input);
    let mut draft = valid::model(&mut u)?;
    mutate::mutate(&mut u, &mut draft)?;
    mutate::written(&mut u, &draft)
}

/// The bytes of a codes file to be loaded, and the source of what is done with it.
///
/// # Errors
/// The input ends.
pub fn codes_file(input: &[u8]) -> Result<Vec<u8>> {
    if let Some(file) = literal(input) {
        return Ok(file);
    }
    let mut u = Unstructured::new(input);
    let model = valid::model(&mut u)?;
    let mut draft = valid::codes(&mut u, &model)?;
    mutate::mutate(&mut u, &mut draft)?;
    if u.arbitrary()? {
        draft.sign();
    }
    mutate::written(&mut u, &draft)
}

/// A model file, and a codes file that names this model whether or not it fits.
///
/// # Errors
/// The input ends.
pub fn model_and_codes(input: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    if let Some(model) = starts_like_a_file(input).then(|| Draft::parse(input)).flatten() {
        let data = model.tensors.iter().map(|tensor| tensor.offsets[1]).max().unwrap_or(0);
        let header = input.len() - model.data.len();
        let end = header.saturating_add(usize::try_from(data).unwrap_or(usize::MAX));
        let (first, second) = input.split_at(end.min(input.len()));
        return Ok((literal(first).unwrap_or_default(), second.to_vec()));
    }
    let mut u = Unstructured::new(input);
    let mut model = valid::model(&mut u)?;
    let mut codes = valid::codes(&mut u, &model)?;
    if u.ratio(1, 2)? {
        mutate::mutate(&mut u, &mut model)?;
    }
    if u.ratio(1, 2)? {
        mutate::mutate(&mut u, &mut codes)?;
        codes.sign();
    }
    if let (Some(fingerprint), true) = (model.record.get("model"), u.ratio(15, 16)?) {
        codes.record.insert("model".to_owned(), fingerprint.clone());
    }
    Ok((model.write(), codes.write()))
}

fn starts_like_a_file(input: &[u8]) -> bool {
    // The length of a header of less than 4 GiB.
    input.len() > 8 && input[4..8] == [0; 4]
}

/// The input as a file. If it is a model's, its fingerprint is put right.
fn literal(input: &[u8]) -> Option<Vec<u8>> {
    if !starts_like_a_file(input) {
        return None;
    }
    match Draft::parse(input) {
        Some(mut draft) if draft.record.get("kind") == Some(&"model".into()) => {
            draft.sign();
            Some(draft.write())
        }
        _ => Some(input.to_vec()),
    }
}

/// A folder in memory, if the system has one, which is removed when it is dropped.
pub struct Scratch(tempfile::TempDir);

impl Default for Scratch {
    fn default() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self(folder.expect("a folder for temporary files"))
    }
}

impl Scratch {
    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        path
    }
}
