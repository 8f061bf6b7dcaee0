//! What a caller can ask of a fit, and what the fit reports.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::Model;
use super::warnings::FitWarning;
use crate::error::{Error, Result};

/// How a fit went.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct FitReport {
    /// Rows that were given.
    pub rows: usize,
    /// Rows that were fitted on. A fit of bit codes takes at most 200,000, drawn at random.
    pub rows_used: usize,
    /// The stages, in order.
    pub stages: Vec<FitStage>,
    /// Bits of each latent of each region in a model of bit codes, empty in a model of 8-bit codes.
    pub bits_per_latent: Vec<Vec<f32>>,
    /// Whether each row has a scale of its own.
    pub has_row_scales: bool,
    /// The exponent `g` that the fit chose for [`Objective::Search`](crate::Objective::Search); 0 leaves
    /// the bits where the variance is.
    pub query_exponent: f32,
    /// What the fit noticed about the rows, empty if all is well.
    pub warnings: Vec<FitWarning>,
}

/// A step of a fit.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FitStage {
    /// What was done.
    pub name: String,
    /// Squared error over signal energy on training rows, as coded after this stage.
    pub relative_mse: f64,
    /// Seconds that the stage took.
    pub seconds: f64,
}

type Progress<'a> = Box<dyn FnMut(&FitStage) + 'a>;

/// Options of [`Model::fit_with`](crate::Model::fit_with) and `Model::fit_file`.
///
/// ```
/// use vecodec::{CancelToken, FitOptions, Model, ModelConfig};
///
/// let rows: Vec<f32> = (0..400).map(|i| (i as f32).sin()).collect();
/// let cancel = CancelToken::new();
/// let options = FitOptions::default()
///     .with_progress(|stage| println!("{}: {:.1e}", stage.name, stage.relative_mse))
///     .with_cancel(cancel.clone());
/// // Another thread may call `cancel.cancel()` at any time.
/// let (model, report) = Model::fit_with(&rows, ModelConfig::int8(4, 2), options)?;
/// assert_eq!(report.rows, 100);
/// # Ok::<(), vecodec::Error>(())
/// ```
#[derive(Default)]
#[non_exhaustive]
#[must_use]
pub struct FitOptions<'a> {
    progress: Option<Progress<'a>>,
    cancel: CancelToken,
    seed: u64,
    queries: Option<&'a [f32]>,
    warm_start: Option<&'a Model>,
    sample: Option<usize>,
    tensor: Option<&'a str>,
}

/// Rows of a file that a fit reads, if nothing else is said.
#[cfg(feature = "files")]
const SAMPLED_ROWS: usize = 200_000;

impl<'a> FitOptions<'a> {
    /// Sets a function that is called after each stage, on the thread of the fit.
    pub fn with_progress(mut self, progress: impl FnMut(&FitStage) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Sets the token that cancels the fit.
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets the seed of the random samples of rows; 0 by default.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets queries `[n, dim]` for [`Objective::Search`](crate::Objective::Search): rows of the kind that
    /// will be searched for. Their norms do not count. Without queries the training rows are taken. Fits of
    /// fewer than 1,000 rows do not use them.
    pub fn with_queries(mut self, queries: &'a [f32]) -> Self {
        self.queries = Some(queries);
        self
    }

    /// Sets a model to start from: one of bit codes of as many values and bytes per row, and of the same
    /// coding. The fit begins with its regions and tables, runs at most as many rounds, and tries nothing:
    /// the number of regions, whether norms are stored and the exponent of
    /// [`Objective::Search`](crate::Objective::Search) are the old model's. It took a quarter of the time of
    /// a fit that chooses them (30,000 rows of 384 values), and is meant for rows that have drifted, not for rows of another
    /// kind.
    pub fn with_warm_start(mut self, model: &'a Model) -> Self {
        self.warm_start = Some(model);
        self
    }

    /// Sets the largest number of rows that [`Model::fit_file`](crate::Model::fit_file) reads; 200,000 by
    /// default. 0 counts as 1.
    #[cfg(feature = "files")]
    pub fn with_sample(mut self, rows: usize) -> Self {
        self.sample = Some(rows.max(1));
        self
    }

    /// Sets the name of the tensor or array that [`Model::fit_file`](crate::Model::fit_file) reads, where a
    /// file has several. By default it reads `embeddings`, or the only one.
    #[cfg(feature = "files")]
    pub fn with_tensor(mut self, name: &'a str) -> Self {
        self.tensor = Some(name);
        self
    }

    #[cfg(feature = "files")]
    pub(super) fn sample(&self) -> usize {
        self.sample.unwrap_or(SAMPLED_ROWS)
    }

    #[cfg(feature = "files")]
    pub(super) fn tensor(&self) -> Option<&'a str> {
        self.tensor
    }

    pub(super) fn warm_start(&self) -> Option<&'a Model> {
        self.warm_start
    }

    pub(super) fn queries(&self) -> Option<&'a [f32]> {
        self.queries
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn report(&mut self, stage: &FitStage) {
        if let Some(progress) = &mut self.progress {
            progress(stage);
        }
    }

    pub(super) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }
}

impl fmt::Debug for FitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitOptions")
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .field("seed", &self.seed)
            .field("queries", &self.queries.map(<[f32]>::len))
            .field("warm_start", &self.warm_start)
            .field("sample", &self.sample)
            .field("tensor", &self.tensor)
            .finish()
    }
}

/// Cancels a fit from another thread, from a signal handler, or from the fit's own progress
/// function. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels for good what this token was given to. It stores one atomic flag, so a signal
    /// handler may call it.
    pub fn cancel(&self) {
        // Nothing else is handed over, so no order is needed.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails once the token is cancelled.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
