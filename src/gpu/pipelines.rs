//! Pipelines kept from one process to the next, where the backend has a cache of them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use wgpu::util::pipeline_cache_key;
use wgpu::{Device, Features, PipelineCache, PipelineCacheDescriptor};

use super::adapters;
use super::context::{Gpu, caught};
use crate::error::{Error, Result};
use crate::tensors::NewFile;

/// What a file begins with; a checksum and the backend's own data follow.
const MAGIC: &[u8; 8] = b"VECOPIPE";
const SUM_BYTES: usize = blake3::OUT_LEN;

impl Gpu {
    /// The same as [`new`](Self::new), with the pipelines that
    /// [`save_pipeline_cache`](Self::save_pipeline_cache) kept at `path`, if they are of this adapter
    /// and its driver. Where there is no such file, or it does not suit, pipelines are compiled as
    /// ever.
    ///
    /// Most drivers keep a cache of their own in the user's home; this one is for where that does not
    /// last, as in a container: on a H200 a codec is built in 0.03 s with it, and in 0.8 s without
    /// either.
    ///
    /// The driver trusts the file as it trusts its own cache: keep it where no one else can write. A
    /// checksum tells accidents alone.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the file cannot be read, or is no pipeline cache.
    pub fn with_pipeline_cache(path: impl AsRef<Path>) -> Result<Self> {
        let adapter = adapters::best()?;
        let kept = read(path.as_ref(), pipeline_cache_key(&adapter.get_info()))?;
        Self::from_adapter(adapter, kept.as_deref())
    }

    /// Keeps the pipelines of the codecs built on this device so far at `path`, replacing the file.
    /// Tells whether there is such a cache: on Vulkan there is, and on a device of the caller's if
    /// `Features::PIPELINE_CACHE` was asked for.
    ///
    /// # Errors
    /// The file cannot be written, or the driver does not give its data.
    pub fn save_pipeline_cache(&self, path: impl AsRef<Path>) -> Result<bool> {
        let key = pipeline_cache_key(self.adapter_info());
        let Some((cache, key)) = self.pipelines().zip(key) else { return Ok(false) };
        let Some(data) = cache.get_data() else {
            let detail = "the driver gave no data".to_owned();
            return Err(Error::Gpu { what: "to tell its pipelines", detail });
        };
        write(path.as_ref(), &key, &data)?;
        Ok(true)
    }
}

fn write(path: &Path, key: &str, data: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_at(0, &[MAGIC, &sum(key, data)[..], data].concat())?;
    file.finish()
}

/// Of data for the adapter of this key.
fn sum(key: &str, data: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes()).update(data);
    hasher.finalize().into()
}

/// The data in a file, if it is whole and for the adapter of this key.
fn read(path: &Path, key: Option<String>) -> Result<Option<Vec<u8>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, e)),
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let detail = "not a pipeline cache, which saving one would overwrite: name another file";
        return Err(Error::format(path, detail));
    };
    let kept = rest.split_at_checked(SUM_BYTES).zip(key);
    let whole = kept.filter(|((found, data), key)| *found == sum(key, data));
    Ok(whole.map(|((_, data), _)| data.to_vec()))
}

/// The device's cache, where it has one, with what was kept of an earlier one.
pub(super) fn cache(device: &Device, kept: Option<&[u8]>) -> Option<PipelineCache> {
    if !device.features().contains(Features::PIPELINE_CACHE) {
        return None;
    }
    let label = Some("vecodec.pipelines");
    let descriptor = PipelineCacheDescriptor { label, data: kept, fallback: true };
    // SAFETY: the data is what `get_data` gave for this adapter, as its checksum tells, and wgpu
    // itself sorts out other versions of driver and library. Who forges a checksum can write where
    // the driver keeps a cache of its own.
    #[expect(unsafe_code, reason = "compiling pipelines takes up to a second")]
    let cache = caught(device, || unsafe { device.create_pipeline_cache(&descriptor) });
    // Without it pipelines are compiled as ever.
    cache.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_of_the_same_adapter_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipelines");
        let key = |name: &str| Some(name.to_owned());
        assert_eq!(read(&path, key("a")).unwrap(), None);
        write(&path, "a", b"pipelines").unwrap();
        assert_eq!(read(&path, key("a")).unwrap().unwrap(), b"pipelines");
        assert_eq!(read(&path, key("ap")).unwrap(), None);
        assert_eq!(read(&path, None).unwrap(), None);
        let whole = fs::read(&path).unwrap();
        for at in MAGIC.len()..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path, key("a")).unwrap(), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(&path, key("a")).unwrap(), None, "{at} bytes");
        }
    }
}
