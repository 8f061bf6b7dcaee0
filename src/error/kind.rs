//! What a caller can do about an error, in one word.

use std::fmt;

use super::Error;

/// What an [`Error`] is about, for callers that treat whole groups of errors alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The rows, codes or slices of a call are not valid. Another input may pass.
    Input,
    /// A configuration or weights are not valid, or the codes are another model's.
    Model,
    /// A file cannot be read or written, or does not hold what it should.
    File,
    /// There is no usable GPU, the GPU is lost, or its driver refused a request.
    Device,
    /// The memory of the host or of the GPU is full. A smaller batch may pass.
    Memory,
    /// The model needs more than the adapter's limits allow. Another adapter, or the CPU engine,
    /// may do.
    Limit,
    /// The caller cancelled the call.
    Cancelled,
}

impl ErrorKind {
    /// The kind as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Model => "model",
            Self::File => "file",
            Self::Device => "device",
            Self::Memory => "memory",
            Self::Limit => "limit",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Error {
    /// What the error is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::EmptyBatch { .. }
            | Self::RowLength { .. }
            | Self::FlatLength { .. }
            | Self::NonFinite { .. }
            | Self::Overflow { .. }
            | Self::OutputLength { .. }
            | Self::LengthMismatch { .. }
            | Self::RegionsLength { .. }
            | Self::UnknownRegion { .. }
            | Self::CodesShape { .. }
            | Self::RowOutOfRange { .. }
            | Self::InvalidScale { .. }
            | Self::InvalidFingerprint { .. }
            | Self::TooFewRows { .. }
            | Self::ClippedRows { .. }
            | Self::Index(_)
            | Self::Record(_)
            | Self::Fit { .. } => ErrorKind::Input,
            Self::OtherModel { .. }
            | Self::OtherConfig { .. }
            | Self::InvalidConfig { .. }
            | Self::BitPlanLength { .. }
            | Self::BitPlanBits { .. }
            | Self::WeightLength { .. }
            | Self::NonFiniteWeight { .. }
            | Self::WarmStart { .. }
            | Self::NoFitFacts => ErrorKind::Model,
            Self::Io { .. } | Self::Format { .. } => ErrorKind::File,
            Self::NoAdapter { .. }
            | Self::DeviceLost { .. }
            | Self::Gpu { .. }
            | Self::Internal { .. } => ErrorKind::Device,
            Self::HostMemory { .. } | Self::OutOfMemory { .. } => ErrorKind::Memory,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
