//! An index on disk: a folder.
//!
//! Codes files hold rows, `docs/format.md` describes the rest. No file is changed after it was written. A save
//! writes files under new names, then replaces `index.json`, which lists the files, and then deletes what the
//! list does not name. Whatever ends a save early, the folder is the old index or the new one.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::ids::Ids;
use super::state::{Part, SavedCodes, State};
use super::{Index, lock};
use crate::codec::Codec;
use crate::codes::{CodesReader, CodesWriter};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::memory;
use crate::search::{Bitmap, Metric, Records};
use crate::tensors::{NewFile, Reader, Spec, Writer};

/// The list of an index's files.
const LIST: &str = "index.json";
const KIND: &str = "index";
/// The newest version that is read, and the one that is written.
const VERSION: u32 = 1;
/// U64 `[words]`: bit `i % 64` of word `i / 64` says whether row `i` was removed.
const REMOVED: &str = "removed";
const SUFFIX: &str = ".safetensors";
/// More rows than were ever added to an index: so many more can be added without an overflow.
const MAX_NEXT_ID: u64 = u64::MAX / 2;
/// Rows that are copied at a time.
const BLOCK_ROWS: usize = 1 << 14;

/// What `index.json` says.
#[derive(Serialize, Deserialize)]
struct List {
    kind: String,
    version: u32,
    metric: String,
    /// The fingerprint of the model.
    model: String,
    /// The id of the next row that is added without one.
    next_id: u64,
    parts: Vec<PartRecord>,
}

/// Rows in the order in which they were added.
#[derive(Serialize, Deserialize)]
struct PartRecord {
    /// The name of the file of codes.
    codes: String,
    rows: u64,
    /// The id of the first row, where ids are consecutive. Otherwise the file of codes has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<RemovedRecord>,
}

/// Rows that were removed.
#[derive(Serialize, Deserialize)]
struct RemovedRecord {
    file: String,
    /// CRC-32 of the bytes of the tensor `removed`.
    checksum: u32,
}

/// The metadata of a file of removed rows.
#[derive(Serialize, Deserialize)]
struct RemovedFile {
    kind: String,
    version: u32,
    rows: u64,
}

impl Index {
    /// Writes the index to a folder: codes, ids, and which rows were removed. Rows that an earlier save wrote to
    /// this folder, or that were opened from it, are not written again.
    ///
    /// Whatever ends a save early, the folder holds the earlier index or this one.
    ///
    /// # Errors
    /// The folder has other files and no index, or a file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let _guard = lock(&self.0.saving);
        let state = self.snapshot();
        let names = prepare(path)?;
        let folder = path.canonicalize().map_err(|e| Error::io(path, e))?;
        let mut next = next_number(&names);
        let mut parts = Vec::new();
        for part in &state.parts {
            parts.push(part.save(&folder, &names, &mut next)?);
        }
        let list = List {
            kind: KIND.to_owned(),
            version: VERSION,
            metric: self.metric().to_string(),
            model: self.codec().model().fingerprint().to_string(),
            next_id: state.next_id,
            parts,
        };
        let list_path = folder.join(LIST);
        let text = serde_json::to_vec_pretty(&list)
            .map_err(|e| Error::format(&list_path, e.to_string()))?;
        let mut file = NewFile::create(&list_path)?;
        file.append(&text)?;
        file.finish()?;
        let used: HashSet<&str> = list.parts.iter().flat_map(PartRecord::files).collect();
        for name in names.iter().filter(|name| !used.contains(name.as_str())) {
            // A file that cannot be deleted now, because another process has it open, is deleted by a later
            // save.
            let _left = fs::remove_file(folder.join(name));
        }
        Ok(())
    }

    /// Opens an index that [`save`](Self::save) wrote. Codes stay in their files, which are mapped into memory.
    ///
    /// Reads all codes once: it compares them with their checksums, and computes what the metric needs. Ids
    /// are read into memory.
    ///
    /// # Errors
    /// The index is of another model than the codec's; a file cannot be read, or was altered.
    pub fn open(codec: &Codec, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let folder = path.canonicalize().map_err(|e| Error::io(path, e))?;
        let list_path = path.join(LIST);
        let bytes = fs::read(&list_path).map_err(|e| Error::io(&list_path, e))?;
        let bad = |detail: String| Error::format(&list_path, detail);
        let list: List = serde_json::from_slice(&bytes)
            .map_err(|e| bad(format!("is not the list of a vecodec index: {e}")))?;
        if list.kind != KIND {
            return Err(bad(format!("holds {:?}, and an index was expected", list.kind)));
        }
        if !(1..=VERSION).contains(&list.version) {
            return Err(bad(format!(
                "has version {}, and this version of vecodec reads up to {VERSION}: update vecodec",
                list.version
            )));
        }
        if list.next_id > MAX_NEXT_ID {
            return Err(bad(format!(
                "says next_id is {}, and it is at most {MAX_NEXT_ID}: it was altered",
                list.next_id
            )));
        }
        let metric: Metric = list.metric.parse().map_err(bad)?;
        let found: Fingerprint = list.model.parse().map_err(|e: Error| bad(e.to_string()))?;
        let expected = codec.model().fingerprint();
        if found != expected {
            return Err(Error::OtherModel { expected, found });
        }
        let mut state = State { parts: Vec::new(), next_id: list.next_id };
        for record in &list.parts {
            let part = Part::open(codec, metric, &folder, record)?;
            state.add(part).map_err(|e| bad(e.to_string()))?;
        }
        Ok(Self::with_state(codec, metric, state))
    }
}

/// Makes the folder if it is missing, and returns the names of the index's files in it.
fn prepare(path: &Path) -> Result<HashSet<String>> {
    let io = |e| Error::io(path, e);
    if !path.exists() {
        fs::create_dir(path).map_err(io)?;
    }
    let (mut names, mut other) = (HashSet::new(), None);
    for entry in fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        match number_of(&name) {
            Some(_) => drop(names.insert(name)),
            None if name != LIST => other = other.or(Some(name)),
            None => {}
        }
    }
    match other {
        Some(name) if !path.join(LIST).exists() => {
            let detail = format!("holds {name:?} and no index: pass a new folder, or an empty one");
            Err(Error::format(path, detail))
        }
        _ => Ok(names),
    }
}

/// The number in the name of a file of an index.
fn number_of(name: &str) -> Option<u64> {
    let (kind, number) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (["codes", REMOVED].contains(&kind) && is_number).then(|| number.parse().ok())?
}

/// A number that no file has.
fn next_number(names: &HashSet<String>) -> u64 {
    names.iter().filter_map(|name| number_of(name)).max().map_or(0, |number| number + 1)
}

impl PartRecord {
    fn files(&self) -> impl Iterator<Item = &str> {
        [self.codes.as_str()].into_iter().chain(self.removed.iter().map(|r| r.file.as_str()))
    }
}

impl Part {
    /// Writes what is not in the folder yet. `names` are the files in the folder.
    fn save(&self, folder: &Path, names: &HashSet<String>, next: &mut u64) -> Result<PartRecord> {
        let mut new_name = |kind: &str| {
            *next += 1;
            format!("{kind}-{}{SUFFIX}", *next - 1)
        };
        let mut saved = lock(&self.saved);
        let is_there = |saved: &&SavedCodes| saved.folder == folder && names.contains(&saved.name);
        let codes = match saved.as_ref().filter(is_there) {
            Some(saved) => saved.name.clone(),
            None => {
                let name = new_name("codes");
                self.write_codes(&folder.join(&name))?;
                *saved = Some(SavedCodes { folder: folder.to_owned(), name: name.clone() });
                name
            }
        };
        let removed = match &self.removed {
            None => None,
            Some(removed) => {
                let file = new_name(REMOVED);
                let checksum = write_removed(&folder.join(&file), removed, self.row_count())?;
                Some(RemovedRecord { file, checksum })
            }
        };
        let first_id = match self.ids {
            Ids::From(first) => Some(first),
            Ids::Listed(_) => None,
        };
        Ok(PartRecord { codes, rows: self.row_count() as u64, first_id, removed })
    }

    fn write_codes(&self, path: &Path) -> Result<()> {
        let records = &self.batch.records;
        let rows = self.row_count();
        let (config, model) = (records.config(), records.fingerprint());
        let mut writer = CodesWriter::new(path, config, model, records.shared_scale())?;
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let range = first as u32..(first + BLOCK_ROWS).min(rows) as u32;
            let codes = records.select(range.clone()).expect("a block has rows");
            match &self.ids {
                Ids::From(_) => writer.append(&codes)?,
                ids @ Ids::Listed(_) => {
                    writer.append_with_ids(&codes, &ids.of_rows(range))?;
                }
            }
        }
        writer.finish()
    }

    /// Reads what a list says.
    fn open(codec: &Codec, metric: Metric, folder: &Path, record: &PartRecord) -> Result<Self> {
        let path = folder.join(file_name(folder, &record.codes)?);
        let reader = CodesReader::open(&path)?;
        reader.check_model(codec.model())?;
        let rows = reader.row_count();
        if rows as u64 != record.rows || rows == 0 {
            let detail =
                format!("has {rows} rows, and {LIST} says {}: it was replaced", record.rows);
            return Err(Error::format(&path, detail));
        }
        let (codes, ids) = reader.map()?;
        let ids = match (ids, record.first_id) {
            (Some(ids), None) => {
                Ids::listed(ids).map_err(|e| Error::format(&path, e.to_string()))?
            }
            (None, Some(first)) if first.checked_add(rows as u64).is_some() => Ids::From(first),
            _ => {
                let detail = format!("{LIST} and this file disagree on whether rows have ids");
                return Err(Error::format(&path, detail));
            }
        };
        let mut part = Self::new(codec.load(metric, Records::Mapped(codes))?, ids);
        if let Some(removed) = &record.removed {
            let path = folder.join(file_name(folder, &removed.file)?);
            let removed = read_removed(&path, removed.checksum, rows)?;
            part.live -= removed.count();
            part.removed = Some(Arc::new(removed));
        }
        let (folder, name) = (folder.to_owned(), record.codes.clone());
        *lock(&part.saved) = Some(SavedCodes { folder, name });
        Ok(part)
    }
}

/// Fails unless the name is one that a save gives: a list must not name files elsewhere.
fn file_name<'a>(folder: &Path, name: &'a str) -> Result<&'a str> {
    match number_of(name) {
        Some(_) => Ok(name),
        None => {
            let detail = format!("names the file {name:?}, which is none of an index");
            Err(Error::format(&folder.join(LIST), detail))
        }
    }
}

/// Writes the set of removed rows, and returns its checksum.
fn write_removed(path: &Path, removed: &Bitmap, rows: usize) -> Result<u32> {
    let bytes: &[u8] = bytemuck::cast_slice(removed.words());
    let spec = Spec { name: REMOVED, dtype: Dtype::U64, shape: vec![removed.words().len()] };
    let about = RemovedFile { kind: REMOVED.to_owned(), version: VERSION, rows: rows as u64 };
    let mut writer = Writer::create(path, &about, vec![spec])?;
    writer.write(REMOVED, 0, bytes)?;
    writer.finish()?;
    Ok(crc32fast::hash(bytes))
}

fn read_removed(path: &Path, checksum: u32, rows: usize) -> Result<Bitmap> {
    let mut reader = Reader::open(path)?;
    let about: RemovedFile = reader.record(REMOVED)?;
    let count = rows.div_ceil(64);
    reader.expect(REMOVED, Dtype::U64, &[count])?;
    let mut words: Vec<u64> = memory::zeroed("the set of removed rows", &[count])?;
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    reader.read(REMOVED, 0, bytes)?;
    if about.kind != REMOVED || about.rows != rows as u64 || crc32fast::hash(bytes) != checksum {
        let detail = format!("does not match {LIST}: it was altered or replaced");
        return Err(Error::format(path, detail));
    }
    Ok(Bitmap::part(&words, 0, rows))
}
