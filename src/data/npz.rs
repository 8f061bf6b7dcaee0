//! .npz files of NumPy: a zip archive with a .npy file for each array.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::input::Input;
use super::layout::{Layout, spool};
use super::npy;
use super::tensors::{choose_name, listed};
use crate::error::{Error, Result};

/// Opens the array of a name, or the only array. Returns the file that holds the values: the archive
/// itself, or a copy of an array that is compressed.
pub(super) fn open(
    path: &Path,
    mut file: File,
    file_bytes: u64,
    name: Option<&str>,
) -> Result<(File, Layout)> {
    let bad = |e: ZipError| match e {
        ZipError::Io(e) => Error::io(path, e),
        e => Error::format(path, format!("cannot be read as .npz ({e}): save it again")),
    };
    let mut archive = ZipArchive::new(&mut file).map_err(bad)?;
    let (array, index) = choose(path, &mut archive, name)?;
    // Messages have the name of the array beside the path.
    let label = PathBuf::from(format!("{}[{array}]", path.display()));
    let [path_string, name] =
        [&path.display().to_string(), &array].map(|text| npy::python_string(text));
    let load = format!("numpy.load({path_string})[{name}]");

    let member = archive.by_index(index).map_err(bad)?;
    let bytes = member.size();
    let start = member.data_start().unwrap_or(u64::MAX);
    let ends_inside = start.checked_add(bytes).is_some_and(|end| end <= file_bytes);
    let stored = member.compression() == CompressionMethod::Stored;
    if !(stored && ends_inside) {
        // The size in the archive is compared with the header before more than that is decompressed.
        let mut input = Input::new(&label, member, Some(bytes));
        let layout = npy::layout(&mut input, &load)?;
        return spool(&mut input, layout);
    }
    drop(member);
    file.seek(SeekFrom::Start(start)).map_err(|e| Error::io(path, e))?;
    let mut input = Input::new(&label, (&mut file).take(bytes), Some(bytes));
    let mut layout = npy::layout(&mut input, &load)?;
    layout.check(&input)?;
    drop(input);
    layout.start += start;
    Ok((file, layout))
}

/// The name and the index of the array to read.
fn choose(
    path: &Path,
    archive: &mut ZipArchive<&mut File>,
    name: Option<&str>,
) -> Result<(String, usize)> {
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let member = archive.name_for_index(index).and_then(|name| name.ok());
        if let Some(array) = member.as_deref().and_then(|member| member.strip_suffix(".npy")) {
            arrays.push((array.to_owned(), index));
        }
    }
    let names: Vec<&str> = arrays.iter().map(|(array, _)| array.as_str()).collect();
    match choose_name(name, &names) {
        Some(chosen) => Ok(arrays.swap_remove(chosen)),
        None => Err(Error::format(path, listed(name, &names, "arrays"))),
    }
}
