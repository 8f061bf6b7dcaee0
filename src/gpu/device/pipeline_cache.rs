//! A file of compiled pipelines, which the next process loads where the backend has a cache.
//!
//! The file is [`MAGIC`], a BLAKE3 checksum of the adapter's key and the data, then the driver's
//! data. The checksum finds damaged files. It does not prove who wrote the file.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use wgpu::{Device, Features, PipelineCache, PipelineCacheDescriptor};

use super::device_queue::with_error_scopes;
use crate::error::{Error, Result};
use crate::tensors::{NewFile, open_regular};

const MAGIC: &[u8; 8] = b"VECOPIPE";
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;

/// Writes data that the driver gave for the adapter of this key.
pub(super) fn write(path: &Path, key: &str, data: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_at(0, &[MAGIC, &checksum(key, data)[..], data].concat())?;
    file.finish()
}

fn checksum(key: &str, data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes()).update(data);
    hasher.finalize().into()
}

/// The driver's data in a file, if the file is whole and was written for the adapter of this key.
pub(super) fn read(path: &Path, key: Option<String>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match open_regular(path) {
        Ok((mut file, _)) => file.read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?,
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let detail = "not a pipeline cache, and saving one would overwrite it: name another file";
        return Err(Error::format(path, detail));
    };
    let fields = rest.split_at_checked(CHECKSUM_BYTES).zip(key);
    let whole = fields.filter(|((found, data), key)| *found == checksum(key, data));
    Ok(whole.map(|((_, data), _)| data.to_vec()))
}

/// Data of an earlier cache. The caller has promised that it came from the driver.
pub(super) struct TrustedData(Vec<u8>);

impl TrustedData {
    /// # Safety
    /// `data` is what [`PipelineCache::get_data`] gave, unaltered. A driver may run it as machine
    /// code.
    #[expect(unsafe_code, reason = "the promise is the caller's")]
    pub(super) unsafe fn new(data: Vec<u8>) -> Self {
        Self(data)
    }
}

/// The device's pipeline cache, begun with data of an earlier one; none where the device has no
/// such feature.
pub(super) fn create(device: &Device, data: Option<&TrustedData>) -> Option<PipelineCache> {
    if !device.features().contains(Features::PIPELINE_CACHE) {
        return None;
    }
    let label = Some("vecodec.pipelines");
    let data = data.map(|data| data.0.as_slice());
    let descriptor = PipelineCacheDescriptor { label, data, fallback: true };
    // SAFETY: there is no data, or it is `TrustedData`, whose maker promised what wgpu asks for.
    // wgpu itself sorts out data of another driver version.
    #[expect(unsafe_code, reason = "compiling pipelines takes up to a second")]
    let cache = with_error_scopes(device, || unsafe { device.create_pipeline_cache(&descriptor) });
    // Without a cache pipelines are compiled each time.
    cache.ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

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
