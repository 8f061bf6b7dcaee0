//! The models that functions find.

mod location;
mod lookup;

pub(crate) use lookup::{Link, Lookup};

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use datafusion::arrow::datatypes::Field;
use datafusion::common::Result;
use vecodec::{Codec, CodecOptions, Engine, Model};
use vecodec_arrow::CodesType;

use crate::error::{external, plan};

/// Models by name and by fingerprint, each with one codec for the whole process. Clones share them.
#[derive(Clone, Debug)]
pub struct Models(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: Engine,
    known: RwLock<Known>,
    /// Held while a file is read, so that each is read once.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, Entry>,
    by_fingerprint: HashMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    codec: Codec,
    link: Link,
}

impl Models {
    /// No models yet. Their codecs will run on this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Shared { engine, known: RwLock::default(), loading: Mutex::default() }))
    }

    /// Adds a model under a name, in the place of one that had it. Columns of codes find their model by its fingerprint,
    /// whatever its name. Other processes of a cluster do not see it: there, [`Models::register_file`] is what to call.
    ///
    /// # Errors
    /// The engine cannot run the model.
    pub fn register(&self, name: &str, model: Model) -> Result<()> {
        self.add(name, model, None).map(drop)
    }

    /// Adds the model of a file under a name. `location` is a path or, with the feature `cluster`, a URL: `s3://`,
    /// `https://`, `http://` or `file://`. A cluster's processes read the file there when they first need it.
    ///
    /// # Errors
    /// The file cannot be read or is no model, or the engine cannot run it.
    pub fn register_file(&self, name: &str, location: &str) -> Result<()> {
        let location = location::absolute(location)?;
        let model = location::load(&location)?;
        self.add(name, model, Some(location)).map(drop)
    }

    /// Adds every `.safetensors` file of a folder, under its name without the ending.
    ///
    /// # Errors
    /// The folder cannot be read, a file is no model, or the engine cannot run one.
    pub fn register_folder(&self, folder: impl AsRef<Path>) -> Result<()> {
        for path in location::models_of(folder.as_ref())? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            self.register_file(&name, &path.display().to_string())?;
        }
        Ok(())
    }

    /// The codec of a model by its name, or else by the location of its file, which is read once.
    ///
    /// # Errors
    /// There is neither, the file is no model, or the engine cannot run it.
    pub fn named(&self, name: &str) -> Result<Codec> {
        self.entry_named(name).map(|entry| entry.codec)
    }

    /// The codec of a column of codes, by the fingerprint in its field.
    ///
    /// # Errors
    /// The field does not say which model encoded the column, or the model is not registered.
    pub fn of_codes(&self, field: &Field) -> Result<Codec> {
        self.entry_of_codes(field).map(|entry| entry.codec)
    }

    fn add(&self, name: &str, model: Model, location: Option<String>) -> Result<Entry> {
        let mut link = Link { fingerprint: model.fingerprint().to_string(), location };
        let known = self.known().by_fingerprint.get(&link.fingerprint).cloned();
        let codec = match known {
            Some(entry) => {
                // Under another name it is still in its file.
                link.location = link.location.or(entry.link.location);
                entry.codec
            }
            None => {
                let options = CodecOptions::default().with_engine(self.0.engine.clone());
                Codec::with_options(model, options).map_err(external)?
            }
        };
        let entry = Entry { codec, link };
        let mut known = self.0.known.write().expect("no panic under the lock");
        known.by_name.insert(name.to_owned(), entry.clone());
        known.by_fingerprint.insert(entry.link.fingerprint.clone(), entry.clone());
        Ok(entry)
    }

    fn entry_named(&self, name: &str) -> Result<Entry> {
        let known = || self.known().by_name.get(name).cloned();
        if let Some(entry) = known() {
            return Ok(entry);
        }
        if location::is_location(name) {
            let _loading = self.loading();
            return known().map_or_else(|| self.load(name), Ok);
        }
        let mut names: Vec<String> = self.known().by_name.keys().cloned().collect();
        names.sort();
        Err(plan(format!(
            "there is no model {name:?}; found: {names:?}: register it, or pass the path of its file"
        )))
    }

    /// Reads a file, whose name is its location.
    fn load(&self, location: &str) -> Result<Entry> {
        self.add(location, location::load(location)?, Some(location::absolute(location)?))
    }

    fn entry_of_codes(&self, field: &Field) -> Result<Entry> {
        let Ok(codes) = field.try_extension_type::<CodesType>() else {
            return Err(plan(format!(
                "column {:?} is {}, and no column of codes that names its model: pass what vecodec_encode gave",
                field.name(),
                field.data_type()
            )));
        };
        let wanted = codes.fingerprint();
        let entry = self.known().by_fingerprint.get(wanted).cloned().ok_or_else(|| {
            plan(format!(
                "column {:?} has codes of model {wanted}, which is not registered; found: {:?}: register the model \
                 that encoded it",
                field.name(),
                self.fingerprints()
            ))
        })?;
        CodesType::check(field, entry.codec.model()).map_err(external)?;
        Ok(entry)
    }

    /// The codec of a model that another process found, from its file if need be.
    pub(crate) fn linked(&self, link: &Link) -> Result<Codec> {
        let known = || self.known().by_fingerprint.get(&link.fingerprint).cloned();
        if let Some(entry) = known() {
            return Ok(entry.codec);
        }
        let Some(location) = &link.location else {
            return Err(plan(format!(
                "model {} is not known to this process of the cluster; found: {:?}: register it by the location of its \
                 file, or start the process with --models",
                link.fingerprint,
                self.fingerprints()
            )));
        };
        let _loading = self.loading();
        let entry = known().map_or_else(|| self.load(location), Ok);
        let entry = entry.map_err(|error| error.context(format!("model {}", link.fingerprint)))?;
        match entry.link.fingerprint == link.fingerprint {
            true => Ok(entry.codec),
            false => Err(plan(format!(
                "model {location:?} is {} here, and {} where the query was planned: do not replace the file of a model \
                 that is in use",
                entry.link.fingerprint, link.fingerprint
            ))),
        }
    }

    /// It guards no data: after a panic it is as good as before.
    fn loading(&self) -> MutexGuard<'_, ()> {
        self.0.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.known.read().expect("no panic under the lock")
    }

    fn fingerprints(&self) -> Vec<String> {
        let mut fingerprints: Vec<String> = self.known().by_fingerprint.keys().cloned().collect();
        fingerprints.sort();
        fingerprints
    }
}

/// Two handles are equal if they share their models: DataFusion compares functions.
impl PartialEq for Models {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Models {}

impl Hash for Models {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use vecodec::ModelConfig;

    use super::*;

    #[test]
    fn a_model_with_two_names_is_still_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.safetensors");
        let model = Model::random(ModelConfig::int8(4, 2), 1).unwrap();
        model.save(&file).unwrap();
        let models = Models::new(Engine::Cpu);
        models.register_file("m", file.to_str().unwrap()).unwrap();
        models.register("alias", model).unwrap();
        for name in ["m", "alias"] {
            let link = Lookup::any(&models).link_named(name).unwrap();
            assert_eq!(link.location.as_deref(), file.to_str(), "{name}");
        }
    }

    #[test]
    fn a_link_to_a_file_that_is_gone_or_another_names_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.safetensors");
        let location = Some(file.to_str().unwrap().to_owned());
        let fingerprint = "0".repeat(32);
        let models = Models::new(Engine::Cpu);
        let lookup = Lookup::linked(&models, Link { fingerprint: fingerprint.clone(), location });
        for is_there in [false, true] {
            if is_there {
                Model::random(ModelConfig::int8(4, 2), 1).unwrap().save(&file).unwrap();
            }
            let message = lookup.named("m").unwrap_err().to_string();
            for part in [fingerprint.as_str(), file.to_str().unwrap()] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
