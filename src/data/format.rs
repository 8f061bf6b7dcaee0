//! The formats of data files, and how a format is recognised.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::cells::Kind;
use super::input::Input;
use super::layout::Layout;
use super::{bins, npy, tensors, vecs};
use crate::error::{Error, Result};

/// The format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Npy,
    Npz,
    Safetensors,
    /// .fvecs or .bvecs, by the kind of the values.
    Vecs(Kind),
    /// .fbin, .u8bin or .i8bin, by the kind of the values.
    Bin(Kind),
}

/// The formats that are read, in messages.
const READABLE: &str = ".npy, .npz, .safetensors, .fvecs, .bvecs, .fbin, .u8bin or .i8bin";

impl Format {
    /// The format that an extension names.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            Some("safetensors") => Ok(Self::Safetensors),
            Some("fvecs") => Ok(Self::Vecs(Kind::F32)),
            Some("bvecs") => Ok(Self::Vecs(Kind::U8)),
            Some("fbin") => Ok(Self::Bin(Kind::F32)),
            Some("u8bin") => Ok(Self::Bin(Kind::U8)),
            Some("i8bin") => Ok(Self::Bin(Kind::I8)),
            Some(extension @ ("ivecs" | "ibin")) => {
                let detail = format!(
                    "is .{extension}, which holds the numbers of nearest rows and no vectors: pass \
                     the file of the vectors"
                );
                Err(Error::format(path, detail))
            }
            other => {
                let found = other.map_or("no extension".to_owned(), |e| format!("extension .{e}"));
                let detail = format!("has {found}: data files are {READABLE}");
                Err(Error::format(path, detail))
            }
        }
    }

    /// The format of a pipe, from the first bytes. Most formats need a file with an end, or one that
    /// can be read from anywhere.
    pub(super) fn of_pipe(path: &Path, input: &mut Input<'_>) -> Result<Self> {
        if let Ok(format) = Self::of(path)
            && !matches!(format, Self::Npy | Self::Safetensors)
        {
            let detail = format!(
                "is a pipe, and .{format} is read from regular files only: save it to a file, or \
                 send .npy or .safetensors"
            );
            return Err(input.bad(detail));
        }
        let front = input.peek(9)?;
        match front.as_slice() {
            [] => Err(input.bad("is empty: send .npy or .safetensors")),
            front if front.starts_with(npy::MAGIC) => Ok(Self::Npy),
            // The length of the header, and then an object of JSON.
            [.., b'{'] if front.len() == 9 => Ok(Self::Safetensors),
            _ => {
                let detail = "does not begin like .npy or .safetensors, which alone can be read from \
                              a pipe: save other formats to a file";
                Err(input.bad(detail))
            }
        }
    }

    /// Reads the header of any format but .npz. `load` is the Python expression for the array.
    pub(super) fn layout(
        self,
        input: &mut Input<'_>,
        load: &str,
        tensor: Option<&str>,
    ) -> Result<Layout> {
        match (self, tensor) {
            (Self::Safetensors | Self::Npz, _) | (_, None) => {}
            (format, Some(name)) => {
                let detail = format!(
                    "a .{format} file has no names: leave out the name {name:?} (--tensor)"
                );
                return Err(input.bad(detail));
            }
        }
        match self {
            Self::Npy => npy::layout(input, load),
            Self::Safetensors => tensors::layout(input, tensor),
            Self::Vecs(kind) => vecs::layout(input, kind),
            Self::Bin(kind) => bins::layout(input, kind),
            Self::Npz => Err(input.bad("is an archive: pass an array of it")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Safetensors => "safetensors",
            Self::Vecs(Kind::U8) => "bvecs",
            Self::Vecs(_) => "fvecs",
            Self::Bin(Kind::U8) => "u8bin",
            Self::Bin(Kind::I8) => "i8bin",
            Self::Bin(_) => "fbin",
        })
    }
}
