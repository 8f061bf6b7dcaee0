//! The models that functions find.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard};

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
    codecs: RwLock<Codecs>,
}

#[derive(Debug, Default)]
struct Codecs {
    by_name: HashMap<String, Codec>,
    by_fingerprint: HashMap<String, Codec>,
}

impl Models {
    /// No models yet. Their codecs will run on this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Shared { engine, codecs: RwLock::default() }))
    }

    /// Adds a model under a name, in the place of one that had it. Columns of codes find their model by its fingerprint,
    /// whatever its name.
    ///
    /// # Errors
    /// The engine cannot run the model.
    pub fn register(&self, name: &str, model: Model) -> Result<()> {
        self.add(name, model).map(drop)
    }

    fn add(&self, name: &str, model: Model) -> Result<Codec> {
        let fingerprint = model.fingerprint().to_string();
        let known = self
            .0
            .codecs
            .read()
            .expect("no panic under the lock")
            .by_fingerprint
            .get(&fingerprint)
            .cloned();
        let codec = match known {
            Some(codec) => codec,
            None => {
                let options = CodecOptions::default().with_engine(self.0.engine.clone());
                Codec::with_options(model, options).map_err(external)?
            }
        };
        let mut codecs = self.0.codecs.write().expect("no panic under the lock");
        codecs.by_name.insert(name.to_owned(), codec.clone());
        codecs.by_fingerprint.insert(fingerprint, codec.clone());
        Ok(codec)
    }

    /// Adds every `.safetensors` file of a folder that is a model, under its name without the ending.
    ///
    /// # Errors
    /// The folder cannot be read, a file is no model, or the engine cannot run one.
    pub fn register_folder(&self, folder: impl AsRef<Path>) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != "safetensors") {
                continue;
            }
            let model = Model::load(&path).map_err(external)?;
            if let Some(name) = path.file_stem() {
                self.register(&name.to_string_lossy(), model)?;
            }
        }
        Ok(())
    }

    /// The codec of a model by its name, or else by the path of its file, which is read once.
    ///
    /// # Errors
    /// There is neither, the file is no model, or the engine cannot run it.
    pub fn named(&self, name: &str) -> Result<Codec> {
        if let Some(codec) = self.codecs().by_name.get(name) {
            return Ok(codec.clone());
        }
        if Path::new(name).is_file() {
            return self.add(name, Model::load(name).map_err(external)?);
        }
        let names = self.names();
        Err(plan(format!(
            "there is no model {name:?}; found: {names:?}: register it, or pass the path of its file"
        )))
    }

    /// The codec of a column of codes, by the fingerprint in its field.
    ///
    /// # Errors
    /// The field does not say which model encoded the column, or the model is not registered.
    pub fn of_codes(&self, field: &Field) -> Result<Codec> {
        let Ok(codes) = field.try_extension_type::<CodesType>() else {
            return Err(plan(format!(
                "column {:?} is {}, and no column of codes that names its model: pass what vecodec_encode gave",
                field.name(),
                field.data_type()
            )));
        };
        let wanted = codes.fingerprint();
        let codecs = self.codecs();
        let codec = codecs.by_fingerprint.get(wanted).cloned().ok_or_else(|| {
            let known: Vec<&String> = codecs.by_fingerprint.keys().collect();
            plan(format!(
                "column {:?} has codes of model {wanted}, which is not registered; found: {known:?}: register the \
                 model that encoded it",
                field.name()
            ))
        })?;
        CodesType::check(field, codec.model()).map_err(external)?;
        Ok(codec)
    }

    fn codecs(&self) -> RwLockReadGuard<'_, Codecs> {
        self.0.codecs.read().expect("no panic under the lock")
    }

    fn names(&self) -> Vec<String> {
        let codecs = self.codecs();
        let mut names: Vec<String> = codecs.by_name.keys().cloned().collect();
        names.sort();
        names
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
