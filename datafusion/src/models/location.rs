//! Where the file of a model is.

use std::path::{Path, PathBuf};

use datafusion::common::Result;
use vecodec::Model;

use crate::error::{external, plan};

/// What a location says of another process: a path is absolute, a URL as it is.
pub(super) fn absolute(location: &str) -> Result<String> {
    if is_url(location) {
        return Ok(location.to_owned());
    }
    Ok(std::path::absolute(location)?.display().to_string())
}

/// Whether a name is the location of a file: a URL, or the path of a file that is there.
pub(super) fn is_location(name: &str) -> bool {
    is_url(name) || Path::new(name).is_file()
}

/// The models of a folder: its files that end in `.safetensors`, in order.
pub(super) fn models_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads the model at a path or a URL.
pub(super) fn load(location: &str) -> Result<Model> {
    if is_url(location) {
        return url::load(location);
    }
    Model::load(location).map_err(external)
}

fn is_url(location: &str) -> bool {
    location.contains("://")
}

#[cfg(feature = "cluster")]
mod url {
    use std::io::Write;

    use ballista_core::object_store::{CustomObjectStoreRegistry, S3Options};
    use datafusion::datasource::listing::ListingTableUrl;
    use datafusion::execution::object_store::ObjectStoreRegistry;
    use datafusion::object_store::ObjectStoreExt;

    use super::*;

    /// Reads a model from an object store: `s3://`, whose keys come from the environment, `http://`, `https://` or
    /// `file://`.
    pub(super) fn load(location: &str) -> Result<Model> {
        let wrong = |error: &dyn std::fmt::Display| plan(format!("model {location:?}: {error}"));
        // Functions are planned in synchronous code, on a thread of a runtime that must not be blocked on itself.
        let bytes = std::thread::scope(|scope| {
            let fetched = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(fetch(location))
            });
            fetched.join().unwrap_or_else(|_| Err(plan("reading it panicked")))
        });
        let bytes = bytes.map_err(|error| wrong(&error))?;
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&bytes)?;
        // The name of the temporary file would say nothing to the reader.
        Model::load(file.path()).map_err(|error| wrong(&error))
    }

    async fn fetch(location: &str) -> Result<Vec<u8>> {
        let url = ListingTableUrl::parse(location)?;
        let stores = CustomObjectStoreRegistry::new(S3Options::default());
        let store = stores.get_store(url.object_store().as_ref())?;
        Ok(store.get(url.prefix()).await?.bytes().await?.into())
    }
}

#[cfg(not(feature = "cluster"))]
mod url {
    use super::*;

    pub(super) fn load(location: &str) -> Result<Model> {
        Err(plan(format!(
            "model {location:?}: only a build with the feature \"cluster\" reads URLs: pass the path of a file"
        )))
    }
}
