//! What an index holds at one moment. A search works on a snapshot, which nothing changes any more.

#[cfg(feature = "files")]
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "files")]
use std::sync::Mutex;

use super::ids::Ids;
use crate::codec::LoadedBatch;
use crate::codes::Codes;
use crate::error::{Error, IndexError, Result};
use crate::search::Bitmap;

/// Batches of fewer rows together are merged, so that many small batches do not make many batches.
const MERGED_ROWS: usize = 1 << 16;

/// Rows of one or several batches, with ids, some of which may be removed.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) batch: Arc<LoadedBatch>,
    pub(super) ids: Ids,
    /// Rows that were removed; none at first.
    pub(super) removed: Option<Arc<Bitmap>>,
    /// Rows that were not removed.
    pub(super) live: usize,
    /// The file that holds the codes.
    #[cfg(feature = "files")]
    pub(super) saved: Arc<Mutex<Option<SavedCodes>>>,
}

/// A file of codes that a part was written to, or read from.
#[cfg(feature = "files")]
#[derive(Debug)]
pub(super) struct SavedCodes {
    pub(super) folder: PathBuf,
    pub(super) name: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) parts: Vec<Part>,
    /// The id of the next row that has none of the caller's: how many rows were ever added.
    pub(super) next_id: u64,
}

impl Part {
    pub(super) fn new(batch: LoadedBatch, ids: Ids) -> Self {
        Self {
            live: batch.row_count(),
            batch: Arc::new(batch),
            ids,
            removed: None,
            #[cfg(feature = "files")]
            saved: Arc::default(),
        }
    }

    pub(super) fn row_count(&self) -> usize {
        self.batch.row_count()
    }

    fn is_removed(&self, row: u32) -> bool {
        self.removed.as_ref().is_some_and(|removed| removed.contains(row))
    }

    /// The row of an id, if it was not removed.
    fn find(&self, id: u64) -> Option<u32> {
        self.ids.find(id, self.row_count()).filter(|row| !self.is_removed(*row))
    }

    /// The rows that were not removed.
    fn live_rows(&self) -> impl Iterator<Item = u32> {
        (0..self.row_count() as u32).filter(|row| !self.is_removed(*row))
    }

    /// The rows of this part and then those of the next one.
    fn merged(&self, next: &Self) -> Result<Self> {
        let (rows, more) = (self.row_count(), next.row_count());
        let ids = match (&self.ids, &next.ids) {
            (Ids::From(first), Ids::From(second)) if first + rows as u64 == *second => {
                Ids::From(*first)
            }
            (first, second) => {
                let mut ids = first.of_rows(0..rows as u32);
                ids.extend(second.of_rows(0..more as u32));
                Ids::listed(ids)?
            }
        };
        let removed = match (&self.removed, &next.removed) {
            (None, None) => None,
            _ => {
                let mut removed = Bitmap::empty(rows + more);
                (0..rows as u32).filter(|r| self.is_removed(*r)).for_each(|r| removed.insert(r));
                let removed_next = (0..more as u32).filter(|row| next.is_removed(*row));
                removed_next.for_each(|row| removed.insert(rows as u32 + row));
                Some(Arc::new(removed))
            }
        };
        let live = self.live + next.live;
        let batch = self.batch.merged(&next.batch).expect("parts have rows");
        let batch = LoadedBatch::new(batch);
        Ok(Self { removed, live, ..Self::new(batch, ids) })
    }

    /// The rows that were not removed; none if there are none.
    fn compacted(&self) -> Option<Self> {
        if self.removed.is_none() {
            return Some(self.clone());
        }
        let rows: Vec<u32> = self.live_rows().collect();
        let batch = LoadedBatch::new(self.batch.select(&rows)?);
        let ids = Ids::listed(self.ids.of_rows(rows.into_iter()));
        let ids = ids.expect("the ids of an index differ");
        Some(Self::new(batch, ids))
    }

    pub(super) fn bytes(&self) -> u64 {
        let removed = self.removed.as_ref().map_or(0, |removed| size_of_val(removed.words()));
        self.batch.bytes() + self.ids.bytes() + removed as u64
    }
}

impl State {
    /// Rows that were not removed.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.live).sum()
    }

    /// Rows, those included that were removed.
    pub(super) fn row_count(&self) -> u64 {
        self.parts.iter().map(|part| part.row_count() as u64).sum()
    }

    /// The number of the first row of each part.
    pub(super) fn with_first_rows(&self) -> impl Iterator<Item = (u64, &Part)> {
        let mut next = 0;
        self.parts.iter().map(move |part| {
            let first = next;
            next += part.row_count() as u64;
            (first, part)
        })
    }

    /// The part and the row of an id.
    ///
    /// # Errors
    /// The index does not hold the id.
    pub(super) fn find(&self, id: u64) -> Result<(usize, u32)> {
        let found = |(number, part): (usize, &Part)| Some((number, part.find(id)?));
        let found = self.parts.iter().enumerate().find_map(found);
        found.ok_or(Error::Index(IndexError::UnknownId { id }))
    }

    /// Adds rows. Rows without ids of the caller's are numbered.
    ///
    /// # Errors
    /// An id is there already.
    pub(super) fn append(&mut self, batch: LoadedBatch, ids: Option<Ids>) -> Result<()> {
        let rows = batch.row_count() as u64;
        self.add(Part::new(batch, ids.unwrap_or(Ids::From(self.next_id))))?;
        self.next_id += rows;
        self.merge_small()
    }

    /// Adds a part.
    ///
    /// # Errors
    /// An id is there already.
    pub(super) fn add(&mut self, new: Part) -> Result<()> {
        for part in &self.parts {
            if let Some(id) = part.shared_id(&new) {
                return Err(Error::Index(IndexError::DuplicateId { id }));
            }
        }
        self.parts.push(new);
        Ok(())
    }

    /// Merges the last parts while they are small and the earlier is less than twice the later: each row is
    /// copied a few times at most.
    fn merge_small(&mut self) -> Result<()> {
        while let [.., first, second] = self.parts.as_slice() {
            let (rows, more) = (first.row_count(), second.row_count());
            if rows + more > MERGED_ROWS || rows >= 2 * more {
                break;
            }
            let merged = first.merged(second)?;
            self.parts.truncate(self.parts.len() - 2);
            self.parts.push(merged);
        }
        Ok(())
    }

    /// Removes the rows of these ids.
    ///
    /// # Errors
    /// The index does not hold an id. Then no row is removed.
    pub(super) fn remove(&mut self, ids: &[u64]) -> Result<()> {
        let mut found = ids.iter().map(|id| self.find(*id)).collect::<Result<Vec<_>>>()?;
        found.sort_unstable();
        found.dedup();
        for rows in found.chunk_by(|a, b| a.0 == b.0) {
            let part = &mut self.parts[rows[0].0];
            let rows_in_part = part.row_count();
            let removed = part.removed.get_or_insert_with(|| Arc::new(Bitmap::empty(rows_in_part)));
            let removed = Arc::make_mut(removed);
            rows.iter().for_each(|(_, row)| removed.insert(*row));
            part.live -= rows.len();
        }
        Ok(())
    }

    /// Drops the rows that were removed.
    pub(super) fn compact(&mut self) {
        self.parts = self.parts.iter().filter_map(Part::compacted).collect();
    }

    /// The codes of rows by their ids, in this order; none without ids.
    ///
    /// # Errors
    /// The index does not hold an id.
    pub(super) fn codes_of(&self, ids: &[u64]) -> Result<Option<Codes>> {
        let found = ids.iter().map(|id| self.find(*id)).collect::<Result<Vec<_>>>()?;
        let Some((first, _)) = found.first() else { return Ok(None) };
        let records = &self.parts[*first].batch.records;
        let rows = found.iter().map(|(part, row)| {
            let records = &self.parts[*part].batch.records;
            (records.packed(*row), records.scale(*row))
        });
        Ok(Codes::of_rows(records.config(), records.fingerprint(), rows))
    }
}

impl Part {
    /// An id of this part that a new part has, too. The ids of removed rows are free.
    fn shared_id(&self, new: &Self) -> Option<u64> {
        let shared = self.ids.shared(self.row_count(), &new.ids, new.row_count())?;
        if self.removed.is_none() && new.removed.is_none() {
            return Some(shared);
        }
        self.live_rows().map(|row| self.ids.of(row)).find(|id| new.find(*id).is_some())
    }
}
