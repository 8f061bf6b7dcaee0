//! What is wrong with a call that records work into a caller's encoder.

/// A call that records work from and into buffers of the caller's is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The codec runs on the CPU, which has no encoder.
    #[error(
        "the codec runs on the CPU engine, which records nothing: make it with Engine::Gpu on the device of \
         the encoder"
    )]
    CpuEngine,
    /// A buffer was made without a usage that is needed.
    #[error("the buffer of {what} was made without {usage}: add it to the buffer's usages")]
    #[non_exhaustive]
    Usage {
        /// What the buffer holds.
        what: &'static str,
        /// The usage that is needed.
        usage: &'static str,
    },
    /// Data begins where the device cannot bind it.
    #[error(
        "{what} begin at byte {offset} of their buffer, and the device binds multiples of {alignment}: pass \
         such an offset"
    )]
    #[non_exhaustive]
    Alignment {
        /// What the buffer holds.
        what: &'static str,
        /// Where it begins.
        offset: u64,
        /// What the offset has to be a multiple of.
        alignment: u32,
    },
    /// A buffer is too small.
    #[error(
        "{what} need the buffer up to byte {required}, and it has {available} bytes: pass a larger buffer, or \
         fewer rows"
    )]
    #[non_exhaustive]
    Size {
        /// What the buffer holds.
        what: &'static str,
        /// Where the data ends.
        required: u64,
        /// Bytes of the buffer.
        available: u64,
    },
    /// One buffer is read and written.
    #[error(
        "{input} and {output} are in one buffer, and a device does not read and write one buffer at a time: \
         pass two"
    )]
    #[non_exhaustive]
    SameBuffer {
        /// What is read.
        input: &'static str,
        /// What is written.
        output: &'static str,
    },
    /// There are more or fewer rows on one side.
    #[error("there are {codes} rows of codes for {rows} rows: pass as many")]
    #[non_exhaustive]
    RowCount {
        /// Rows.
        rows: usize,
        /// Rows of codes.
        codes: usize,
    },
    /// The bytes are not those of the hits of a search.
    #[error("there are {found} bytes of hits, and the search has {expected}: pass all of them")]
    #[non_exhaustive]
    HitsLength {
        /// Bytes of the hits.
        expected: u64,
        /// Bytes that were passed.
        found: u64,
    },
    /// A hit is no row of the index.
    #[error(
        "a hit is row {row}, and the index had {rows} rows: read the buffer after the search was submitted"
    )]
    #[non_exhaustive]
    UnknownRow {
        /// The row.
        row: u32,
        /// Rows of the index.
        rows: u64,
    },
    /// The model's codes have scales, and there is no buffer for them.
    #[error("the codes of this model have a scale per row: call GpuCodes::with_scales")]
    NoScales,
}
