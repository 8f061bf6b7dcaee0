//! The one error type: what is wrong, with both numbers, and what to do about it.

mod index;
mod kind;
mod make;
mod record;

use std::path::PathBuf;

pub(crate) use make::{OTHER_ADAPTER, first_error};
pub use {index::IndexError, kind::ErrorKind, record::RecordError};

use crate::fingerprint::Fingerprint;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong.
///
/// [`kind`](Self::kind) sorts the errors by what a caller can do. A codec stays usable after any
/// error. After [`Error::DeviceLost`] it has to [`recover`](crate::Codec::recover) first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A batch, a set of training rows or a set of codes holds no rows.
    #[error("the batch is empty: pass at least one row of {dim} values")]
    #[non_exhaustive]
    EmptyBatch {
        /// Values that a row should have.
        dim: usize,
    },
    /// The rows of a nested batch differ in length from the model's rows.
    #[error("row {row} has {found} values and the model needs {expected}: pass rows of {expected}")]
    #[non_exhaustive]
    RowLength {
        /// Index of the row.
        row: usize,
        /// Values that a row must have.
        expected: usize,
        /// Values that the row has.
        found: usize,
    },
    /// A flat slice does not divide into rows.
    #[error("{what} holds {len} values, which is not a multiple of {row_len}: pass whole rows")]
    #[non_exhaustive]
    FlatLength {
        /// What the slice holds: `rows`, `latents`, ...
        what: &'static str,
        /// The length of the slice.
        len: usize,
        /// Values that a row must have.
        row_len: usize,
    },
    /// The input rows hold a NaN or an infinity.
    #[error("row {row}, column {column} is {value}, which is not finite: drop or repair the row")]
    #[non_exhaustive]
    NonFinite {
        /// Index of the row.
        row: usize,
        /// Index of the value within the row.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A row's finite values are so large that its latent leaves the range of `f32`.
    #[error("the latent of row {row} exceeds the range of f32: scale the row down")]
    #[non_exhaustive]
    Overflow {
        /// Index of the row.
        row: usize,
    },
    /// The caller's output slice has the wrong length.
    #[error(
        "the output slice holds {found} values, and {rows} rows of {dim} values need {expected}: \
         pass a slice of {expected}"
    )]
    #[non_exhaustive]
    OutputLength {
        /// Rows to be written.
        rows: usize,
        /// Values per row.
        dim: usize,
        /// The product of the two.
        expected: usize,
        /// The length of the slice.
        found: usize,
    },
    /// Two slices that are compared differ in length.
    #[error("one slice holds {left} values and the other {right}: pass slices of equal length")]
    #[non_exhaustive]
    LengthMismatch {
        /// Length of the first slice.
        left: usize,
        /// Length of the second slice.
        right: usize,
    },
    /// There is not one region for each row of latents.
    #[error("there are {found} regions for {rows} rows of latents: pass one region for each row")]
    #[non_exhaustive]
    RegionsLength {
        /// Rows of latents.
        rows: usize,
        /// Regions that were found.
        found: usize,
    },
    /// A row of latents has a region that the model does not have.
    #[error(
        "the region of row {row} is {region}, and the model has {count}: pass one below {count}"
    )]
    #[non_exhaustive]
    UnknownRegion {
        /// Index of the row.
        row: usize,
        /// The region.
        region: u8,
        /// Regions of the model.
        count: usize,
    },
    /// The codes were made by another model.
    #[error(
        "the codes were made by model {found}, and model {expected} is needed: load model \
         {found}, or call Codes::assume_model if the two are interchangeable"
    )]
    #[non_exhaustive]
    OtherModel {
        /// Fingerprint of the model that is needed.
        expected: Fingerprint,
        /// Fingerprint in the codes.
        found: Fingerprint,
    },
    /// The codes carry the model's fingerprint, but another configuration: their file was altered.
    #[error(
        "the codes have {option} {found}, and the model that they name has {expected}: encode the \
         rows again, because the codes were altered"
    )]
    #[non_exhaustive]
    OtherConfig {
        /// The name of the option.
        option: &'static str,
        /// Its value in the model.
        expected: String,
        /// Its value in the codes.
        found: String,
    },
    /// The bytes or the scales of codes do not fit the model's shape.
    #[error("there are {found} {what}, and {expected} are needed: {remedy}")]
    #[non_exhaustive]
    CodesShape {
        /// What there are too few or too many of.
        what: &'static str,
        /// The number that is needed.
        expected: usize,
        /// The number that was found.
        found: usize,
        /// What would be valid.
        remedy: &'static str,
    },
    /// A row was asked for that the codes do not have.
    #[error("row {row} does not exist, because there are {rows} rows: pass a row below {rows}")]
    #[non_exhaustive]
    RowOutOfRange {
        /// Index of the row.
        row: usize,
        /// Number of rows that there are.
        rows: usize,
    },
    /// A scale is negative or not finite.
    #[error("the scale of row {row} is {value}: pass scales that are finite and not negative")]
    #[non_exhaustive]
    InvalidScale {
        /// Index of the scale.
        row: usize,
        /// The value.
        value: f32,
    },
    /// A text is no fingerprint.
    #[error("{text:?} is not a fingerprint: pass 32 hexadecimal digits")]
    #[non_exhaustive]
    InvalidFingerprint {
        /// The text.
        text: String,
    },
    /// No model can have this configuration.
    #[error("{field} is {value}: {remedy}")]
    #[non_exhaustive]
    InvalidConfig {
        /// The name of the field.
        field: &'static str,
        /// The value of the field.
        value: usize,
        /// What would be valid.
        remedy: &'static str,
    },
    /// A part of a bit plan has the wrong length.
    #[error("the bit plan has {found} {what} and the model needs {expected}: fit the model again")]
    #[non_exhaustive]
    BitPlanLength {
        /// What there are too few or too many of.
        what: &'static str,
        /// The number that the model needs.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// A bit plan gives a latent or a trellis too few or too many bits.
    #[error("the bit plan gives {found} bits to {what}, and takes 1 to {max}: fit the model again")]
    #[non_exhaustive]
    BitPlanBits {
        /// What has these bits.
        what: &'static str,
        /// The most bits that are valid.
        max: usize,
        /// The bits that were found.
        found: usize,
    },
    /// A weight tensor has the wrong length.
    #[error(
        "{tensor} holds {found} values, and its shape {shape:?} needs {expected}: pass {expected}"
    )]
    #[non_exhaustive]
    WeightLength {
        /// The name of the tensor, as in a model file.
        tensor: &'static str,
        /// The shape of the tensor by the configuration.
        shape: Vec<usize>,
        /// Values that the shape needs.
        expected: usize,
        /// Values that were found.
        found: usize,
    },
    /// A weight is NaN or infinite.
    #[error("{tensor}[{index}] is {value}: pass finite weights")]
    #[non_exhaustive]
    NonFiniteWeight {
        /// The name of the tensor, as in a model file.
        tensor: &'static str,
        /// Flat index of the value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// There are too few rows to fit a model on.
    #[error(
        "there are {rows} training rows for {latent_dim} latents: pass at least {latent_dim} rows, \
         or fit fewer latents"
    )]
    #[non_exhaustive]
    TooFewRows {
        /// Training rows that were given.
        rows: usize,
        /// Latents that were asked for.
        latent_dim: usize,
    },
    /// The numerics of the fit do not converge on these training rows.
    #[error("the fit failed in {stage}, as squares of the rows leave f64: rescale the rows")]
    #[non_exhaustive]
    Fit {
        /// The step that failed.
        stage: &'static str,
    },
    /// The model does not know what its fit saw.
    #[error(
        "the model does not know the rows of its fit, because it was made from weights or by an \
         earlier version: fit it again, or call Codec::evaluate"
    )]
    #[non_exhaustive]
    NoFitFacts,
    /// Rows lie outside the range of the rows of the fit, and the call was to refuse them.
    #[error(
        "{count} of {rows} rows lie outside the range of the rows that the model was fitted on, the first \
         is row {row}: scale them as those were, or fit the model to them"
    )]
    #[non_exhaustive]
    ClippedRows {
        /// Index of the first such row.
        row: usize,
        /// How many there are.
        count: usize,
        /// Rows that were passed.
        rows: usize,
    },
    /// A fit cannot start from a model of another shape.
    #[error(
        "the model to start from has {found} {what}, and the fit is for {expected} {what}: start from a \
         model with {expected} {what}, or fit without one"
    )]
    #[non_exhaustive]
    WarmStart {
        /// What differs.
        what: &'static str,
        /// The number in the fit's configuration.
        expected: usize,
        /// The number in the model.
        found: usize,
    },
    /// A GPU was asked for, and no adapter can be used.
    #[error("no GPU adapter {wanted}; found: {found}. Install a driver, or use Engine::Cpu")]
    #[non_exhaustive]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// More is needed than the adapter or the system allows.
    #[error("{required} {what} are needed, and {available} are allowed: {remedy}")]
    #[non_exhaustive]
    Limit {
        /// The name of the limit.
        what: &'static str,
        /// The number that is needed.
        required: u64,
        /// The number that is allowed.
        available: u64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A fault of this crate: a program and its memory do not fit each other.
    #[error("{detail}: this is a bug of vecodec, so please report it")]
    #[non_exhaustive]
    Internal {
        /// What does not fit.
        detail: String,
    },
    /// The host has too little memory for a result or for a step of the work.
    #[error(
        "{what} need {required} bytes of memory, and {available} are free: pass fewer rows at a \
         time, or a smaller model"
    )]
    #[non_exhaustive]
    HostMemory {
        /// What needs the memory.
        what: &'static str,
        /// Bytes that are needed.
        required: u64,
        /// Bytes that the process can still get.
        available: u64,
    },
    /// The GPU has no memory left. A smaller batch or fewer held views may pass.
    #[error(
        "the GPU is out of memory ({detail}): {required} bytes are needed, while the codec holds \
         {held} for other calls. Drop mapped views, or pass smaller batches"
    )]
    #[non_exhaustive]
    OutOfMemory {
        /// Bytes that were refused.
        required: u64,
        /// Bytes of the codec's buffers in use.
        held: u64,
        /// The driver's message.
        detail: String,
    },
    /// The device is gone. [`Codec::recover`](crate::Codec::recover) opens it again.
    #[error(
        "the GPU device was lost ({detail}): call Codec::recover, or Codec::recover_on with \
         another engine"
    )]
    #[non_exhaustive]
    DeviceLost {
        /// The driver's message.
        detail: String,
    },
    /// The GPU API refused a request of this crate.
    #[error("the GPU refused {what}: {detail}")]
    #[non_exhaustive]
    Gpu {
        /// The request that was refused.
        what: &'static str,
        /// The driver's message.
        detail: String,
    },
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    #[non_exhaustive]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {detail}", path.display())]
    #[non_exhaustive]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        detail: String,
    },
    /// A call of an [`Index`](crate::Index) is not valid.
    #[error(transparent)]
    Index(IndexError),
    /// A call that records work into an encoder of the caller's is not valid.
    #[error(transparent)]
    Record(RecordError),
    /// The caller cancelled the call. It leaves nothing behind, and can be made again.
    #[error("the fit was cancelled: call it again to start over")]
    #[non_exhaustive]
    Cancelled,
}
