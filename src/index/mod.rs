//! Codes that can be searched, and decoded in part.
//!
//! # Snapshots
//! What an index holds is a list of batches that never change, and sets of removed rows. A search takes the
//! list as it is when the search begins. A change makes a new list beside it and then replaces it, so that
//! neither waits for the other. Changes wait for each other.

#[cfg(feature = "files")]
mod files;
mod hits;
mod ids;
mod options;
#[cfg(feature = "gpu")]
mod record;
mod search;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use hits::Hits;
pub use options::{Filter, QueryValues, SearchMode, SearchOptions};
#[cfg(feature = "gpu")]
pub use record::RecordedSearch;

use crate::codec::{Codec, LoadedBatch};
use crate::codes::Codes;
use crate::error::{Error, IndexError, Result};
use crate::search::{Metric, Records};
use ids::Ids;
use state::State;

/// Encoded rows that can be searched as they are: the codes are the only copy of the rows.
///
/// Scores are exact: they are those of the decoded rows, by the formula of the [`Metric`], although no row is
/// decoded. A search looks at all rows.
///
/// ```
/// use vecodec::{Codec, Index, Metric, Model, ModelConfig};
///
/// let rows: Vec<Vec<f32>> =
///     (0..200).map(|i| (0..16).map(|j| ((i * (j % 5 + 1)) as f32).sin()).collect()).collect();
/// let model = Model::fit(&rows.concat(), ModelConfig::bits(16, 12))?;
/// let codec = Codec::new(model)?;
/// let index = Index::new(&codec, codec.encode(&rows)?, Metric::Cosine)?;
///
/// let hits = index.search(&rows[..3], 5)?;
/// let (ids, scores) = hits.query(2);
/// assert_eq!(ids.len(), 5);
/// assert!(scores[0] > 0.9);
/// # Ok::<(), vecodec::Error>(())
/// ```
///
/// # Ids
/// Rows are numbered in the order in which they are added, or have the caller's ids
/// ([`append_with_ids`](Self::append_with_ids)). An id that was removed may be used again.
///
/// # Memory
/// | per row | bytes |
/// |---|---|
/// | codes, which are shared with the caller's [`Codes`] | [`Codes::code_size`] |
/// | the number that [`Metric::Cosine`] and [`Metric::L2`] need | 4 |
/// | the order of rows by region, in a model of several regions | 4 |
/// | ids of the caller's | 12 |
/// | a removed row, until [`compact`](Self::compact) | as before, and 1 bit |
///
/// A search needs up to 128 MB for queries and 32 MB per thread for hits, however many rows there are. On a GPU
/// it needs up to 160 MB of the GPU's memory beside the rows.
///
/// # Threads
/// All methods take `&self`, and clones share the index. A search sees the rows that were there when it began.
/// Appending and removing rows does not block it.
///
/// # Engines
/// On the CPU engine, rows are searched on all cores, and codes are the caller's. On a GPU each batch has a copy
/// in the GPU's memory, of the bytes per row that the table lists, except ids, and codes are padded to words; rows of each
/// region are padded to 1,024. The GPU finds the rows that may be hits, and the CPU ranks them, so that both engines
/// give the same hits. The CPU also answers where a filter leaves few rows, where over 2,048 hits are wanted, and
/// queries for which very many rows are as good as the best. Rows that a GPU has no room for stay in the host's memory,
/// where it reads them at the rate of the link: [`link_bytes`](Self::link_bytes) says how much that is. Of several GPUs each has an equal part of every batch, and
/// all search at once. After the loss of a device and [`Codec::recover`](crate::Codec::recover), the next search copies
/// the rows again.
#[derive(Clone)]
pub struct Index(Arc<Inner>);

struct Inner {
    codec: Codec,
    metric: Metric,
    state: RwLock<Arc<State>>,
    /// Held while the state is changed.
    change: Mutex<()>,
    /// Held while the index is saved.
    #[cfg(feature = "files")]
    saving: Mutex<()>,
}

impl Index {
    /// An index of the rows of a batch. The codes are shared and not copied.
    ///
    /// Reads all codes once, and for [`Metric::Cosine`] and [`Metric::L2`] decodes each row once.
    ///
    /// # Errors
    /// Codes of another model, rows that are too large for the metric, or too little memory, of the host or of
    /// the GPU.
    pub fn new(codec: &Codec, codes: Codes, metric: Metric) -> Result<Self> {
        let index = Self::empty(codec, metric);
        index.append(codes)?;
        Ok(index)
    }

    /// An index without rows.
    #[must_use]
    pub fn empty(codec: &Codec, metric: Metric) -> Self {
        Self::with_state(codec, metric, State::default())
    }

    fn with_state(codec: &Codec, metric: Metric, state: State) -> Self {
        Self(Arc::new(Inner {
            codec: codec.clone(),
            metric,
            state: RwLock::new(Arc::new(state)),
            change: Mutex::default(),
            #[cfg(feature = "files")]
            saving: Mutex::default(),
        }))
    }

    /// Adds the rows of a batch. Their ids are consecutive numbers: how many rows were added before, and so
    /// on.
    ///
    /// Batches of some thousand rows at least are best. Smaller ones are merged by copying them a few times.
    ///
    /// # Errors
    /// As for [`new`](Self::new), or an id is there already. The index is then as it was.
    pub fn append(&self, codes: Codes) -> Result<()> {
        let batch = self.load(codes)?;
        self.change(|state| state.append(batch, None))
    }

    /// Adds the rows of a batch with an id for each.
    ///
    /// # Errors
    /// As for [`append`](Self::append); another number of ids than rows, an id that occurs twice, or
    /// `u64::MAX`. The index is then as it was.
    pub fn append_with_ids(&self, codes: Codes, ids: &[u64]) -> Result<()> {
        let (rows, found) = (codes.row_count(), ids.len());
        if rows != found {
            return Err(Error::Index(IndexError::IdsLength { rows, found }));
        }
        let ids = Ids::listed(ids.to_vec())?;
        let batch = self.load(codes)?;
        self.change(|state| state.append(batch, Some(ids)))
    }

    /// Removes rows. Their memory is freed by [`compact`](Self::compact).
    ///
    /// # Errors
    /// An id that the index does not hold. Then no row is removed.
    pub fn remove(&self, ids: &[u64]) -> Result<()> {
        self.change(|state| state.remove(ids))
    }

    /// Frees the memory of removed rows: copies the other rows of their batches. Ids stay, and
    /// [`row_count`](Self::row_count) becomes [`len`](Self::len).
    pub fn compact(&self) {
        let compacted = self.change(|state| {
            state.compact();
            Ok(())
        });
        compacted.expect("compacting reports no error");
    }

    /// Decodes rows by their ids: rows `[ids, dim]` in this order. An id may occur several times.
    ///
    /// # Errors
    /// No ids, an id that the index does not hold, or what [`Codec::decode_flat`] reports.
    pub fn decode_rows(&self, ids: &[u64]) -> Result<Vec<f32>> {
        let dim = self.codec().model().config().dim;
        let codes = self.snapshot().codes_of(ids)?.ok_or(Error::EmptyBatch { dim })?;
        self.codec().decode_flat(&codes)
    }

    /// Rows that can be found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.snapshot().len()
    }

    /// Whether no row can be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows in memory: [`len`](Self::len), and those that were removed since the last
    /// [`compact`](Self::compact).
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.snapshot().row_count()
    }

    /// Bytes of memory of the rows, codes included that the caller shares, and copies on a GPU.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.snapshot().parts.iter().map(state::Part::bytes).sum()
    }

    /// Bytes of rows for which the GPUs had no room: they lie in the host's memory, and each search reads them through
    /// the link. Zero on the CPU engine.
    ///
    /// Where rows lie is decided when they are loaded. [`compact`](Self::compact) copies batches with removed rows while
    /// searches may still hold the old ones: rows that would fit alone may then be read through the link. A new index
    /// of the same codes decides again.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn link_bytes(&self) -> u64 {
        self.snapshot().parts.iter().map(|part| part.batch.link_bytes()).sum()
    }

    /// The codec whose codes the index holds.
    #[must_use]
    pub fn codec(&self) -> &Codec {
        &self.0.codec
    }

    /// How queries are compared with rows.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.0.metric
    }

    fn load(&self, codes: Codes) -> Result<LoadedBatch> {
        codes.check_model(self.codec().model())?;
        self.codec().load(self.metric(), Records::Codes(codes))
    }

    /// What the index holds now.
    fn snapshot(&self) -> Arc<State> {
        // It is assigned as a whole: under a poisoned lock it is still consistent.
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what the index holds. After an error it holds what it did.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let _guard = lock(&self.0.change);
        let mut state = State::clone(&self.snapshot());
        change(&mut state)?;
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(())
    }
}

/// Locks what is consistent whenever it is not locked, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("metric", &self.metric())
            .field("rows", &self.len())
            .field("bytes", &self.bytes())
            .field("model", &self.codec().model().fingerprint())
            .finish_non_exhaustive()
    }
}
