//! The one error type: what went wrong, with both numbers, and what to do about it.

use std::path::{Path, PathBuf};

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, sorted by what a caller can do about it.
///
/// A codec stays usable after any of these but [`Error::DeviceLost`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A batch, a set of training rows or a set of codes holds no rows.
    #[error("the batch is empty: pass at least one row of {dim} values")]
    EmptyBatch {
        /// Values a row should have.
        dim: usize,
    },
    /// A nested row has another length than the model's.
    #[error(
        "row {row} has {found} values where every row must have {expected}: \
         check the model that made it"
    )]
    RowLength {
        /// Index of the row.
        row: usize,
        /// Values a row must have.
        expected: usize,
        /// Values the row has.
        found: usize,
    },
    /// A flat slice does not divide into rows.
    #[error("{what} holds {len} values, which is no multiple of {row_len}: pass whole rows")]
    FlatLength {
        /// What the slice holds: `rows`, `latents`, ...
        what: &'static str,
        /// Its length.
        len: usize,
        /// Values a row must have.
        row_len: usize,
    },
    /// A NaN or an infinity among the input rows.
    #[error(
        "row {row}, column {column} is {value}: only finite values can be encoded, \
         so drop or repair that row"
    )]
    NonFinite {
        /// Index of the row.
        row: usize,
        /// Index of the value within the row.
        column: usize,
        /// The value.
        value: f32,
    },
    /// Finite values so large that a latent leaves the range of `f32`.
    #[error("the latent of row {row} exceeds the range of f32: scale the row down")]
    Overflow {
        /// Index of the row.
        row: usize,
    },
    /// The caller's output slice has the wrong length.
    #[error(
        "the output slice holds {found} values where {rows} rows x {dim} values need \
         {expected}: resize it"
    )]
    OutputLength {
        /// Rows to be written.
        rows: usize,
        /// Values a row.
        dim: usize,
        /// Their product.
        expected: usize,
        /// The slice's length.
        found: usize,
    },
    /// Two sets of rows that should agree in shape do not.
    #[error("{left} values stand against {right}: compare slices of equal length")]
    LengthMismatch {
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// Codes made by another model than the one asked to decode them.
    #[error(
        "the codes were made by model {found}, and this codec holds model {expected}: \
         load that model, or call Codes::assume_model if they really belong together"
    )]
    OtherModel {
        /// Fingerprint of the codec's model.
        expected: String,
        /// Fingerprint in the codes.
        found: String,
    },
    /// Codes whose bytes or scales do not fit the model's shape.
    #[error("{what}: found {found}, expected {expected}")]
    CodesShape {
        /// What does not fit, and how to mend it.
        what: &'static str,
        /// The number that was expected.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// A scale that is not a finite number >= 0.
    #[error("scale {row} is {value}: scales must be finite and not negative")]
    InvalidScale {
        /// Index of the scale.
        row: usize,
        /// The value.
        value: f32,
    },
    /// A model configuration that no model can have.
    #[error("{field} is {value}: {remedy}")]
    InvalidConfig {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: usize,
        /// What would be valid.
        remedy: &'static str,
    },
    /// A layout of bits that no code can have.
    #[error("the model's bit plan has {found} {what}, and at most or exactly {expected} are valid")]
    BitPlan {
        /// What is wrong with it.
        what: &'static str,
        /// The bound, or the number that was expected.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// A weight tensor of the wrong length.
    #[error("{tensor} holds {found} values where its shape {shape} needs {expected}")]
    WeightLength {
        /// The tensor's name, as in a model file.
        tensor: &'static str,
        /// Its shape by the configuration.
        shape: String,
        /// Values the shape needs.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// A weight that is NaN or infinite.
    #[error("{tensor}[{index}] is {value}: weights must be finite")]
    NonFiniteWeight {
        /// The tensor's name, as in a model file.
        tensor: &'static str,
        /// Flat index of the value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// Too few rows to fit a model on.
    #[error(
        "{rows} training rows cannot determine {latent_dim} latents: \
         pass at least as many rows, or fit fewer latents"
    )]
    TooFewRows {
        /// Training rows given.
        rows: usize,
        /// Latents asked for.
        latent_dim: usize,
    },
    /// The training rows defeat the numerics of the fit.
    #[error("the fit failed in {stage}: the training values are too large or too small to square")]
    Fit {
        /// The step that failed.
        stage: &'static str,
    },
    /// A GPU was asked for and there is none that serves.
    #[error("no GPU adapter {wanted}; found: {found}. Install a driver, or use Engine::Cpu")]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The adapter's limits cannot hold even one row of this model.
    #[error(
        "one row of this model needs {required} {what}, and the adapter allows {available}: \
         use another adapter, or Engine::Cpu"
    )]
    Limit {
        /// The limit's name.
        what: &'static str,
        /// What one row needs.
        required: u64,
        /// What the adapter allows.
        available: u64,
    },
    /// The GPU has no memory left; smaller batches or fewer held views may pass.
    #[error("the GPU is out of memory: drop mapped views, or pass smaller batches ({detail})")]
    OutOfMemory {
        /// The driver's words.
        detail: String,
    },
    /// The device is gone. Make a new `Gpu` and a new `Codec`.
    #[error("the GPU device was lost ({detail}): build a new Gpu and Codec")]
    DeviceLost {
        /// The driver's words.
        detail: String,
    },
    /// The GPU API refused something this crate asked of it.
    #[error("the GPU refused {what}: {detail}")]
    Gpu {
        /// The step that was refused.
        what: &'static str,
        /// The driver's words.
        detail: String,
    },
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {detail}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn format(path: &Path, detail: impl Into<String>) -> Self {
        Self::Format { path: path.to_path_buf(), detail: detail.into() }
    }
}
