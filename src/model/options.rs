//! The options of a configuration that are enumerations, each with the numbers that files and
//! fingerprints know it by.

/// What follows the encoder's projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing: the latent is linear in the row.
    #[default]
    Identity,
    /// `max(z, 0)`, entry by entry.
    Relu,
}

impl Activation {
    /// The number that a fingerprint hashes. Stored models depend on it: it never changes.
    pub(super) fn wire_id(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Relu => 1,
        }
    }
}

/// How latents become bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Coding {
    /// Every latent has a quantiser of its own, with as many levels as its bits allow. Encoding is
    /// fast.
    Scalar,
    /// Trellis-coded quantisation (TCQ): one path runs through all latents of a row. On embeddings
    /// the error is smaller than that of scalar codes of as many bytes. It can be larger where a row
    /// has few latents of many bits each, because all paths begin in one state: compare the two on
    /// rows that the fit has not seen. Encoding searches for the best path, so its time grows with
    /// the states. 256 states are a good choice. 1,024 and 4,096 states gain a little more.
    Trellis {
        /// A power of two from 2 to 4,096.
        states: usize,
    },
}

/// 256 states.
impl Default for Coding {
    fn default() -> Self {
        Self::Trellis { states: 256 }
    }
}

/// Whether a row's L2 norm is stored with its bit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum RowNorm {
    /// The fit tries both and takes what has the smaller error on rows that it holds out.
    #[default]
    Auto,
    /// No norm: all bytes go to the latents. Best where all rows have about the same norm.
    Omit,
    /// The row's L2 norm takes four of the row's bytes. Best where norms vary widely.
    Store,
}

impl RowNorm {
    /// The number that a fingerprint hashes. Stored models depend on it: it never changes.
    pub(super) fn wire_id(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Omit => 1,
            Self::Store => 2,
        }
    }
}

/// How many regions a model of bit codes has. Each region is a linear codec of its own, with a
/// centroid, a basis and a bit plan. Embeddings are clusters, so that several regions need about a
/// quarter less error for the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Regions {
    /// The fit picks the number by the error on rows that it holds out. A larger number must win by
    /// 1 %, and a region has at least 1,000 training rows.
    #[default]
    Auto,
    /// This many regions, from 1 to 256.
    Count(usize),
}

/// What a fit of bit codes optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Objective {
    /// The least squared error of the decoded rows.
    Reconstruction,
    /// Neighbours that are found among the decoded rows. A latent's error counts by where queries lie: by
    /// `w^g`, where `w` is the mean square of the queries along the latent's axis. The fit chooses `g` by
    /// the recall@10 on rows that it holds out, and gives up at most 3 % of squared error on them for it.
    /// [`FitOptions::with_queries`](crate::FitOptions::with_queries) sets the queries; without any, the
    /// rows are taken for queries. Fewer than 1,000 rows hold out too few: they are fitted as for
    /// `Reconstruction`.
    #[default]
    Search,
}

/// The version of the format that codes of a model have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub(crate) enum BitFormat {
    /// One linear layer each way, and a number of bits for each latent.
    V2,
    /// Regions.
    #[default]
    V3,
}
