//! The ids of rows.

use std::sync::Arc;

use crate::error::{Error, IndexError, Result};

/// The id of a hit that there is none of.
pub(super) const NO_ROW: u64 = u64::MAX;

/// The ids of a batch's rows.
#[derive(Clone, Debug)]
pub(super) enum Ids {
    /// Consecutive numbers from this one on.
    From(u64),
    Listed(Arc<Listed>),
}

/// Ids of the caller's.
#[derive(Debug)]
pub(super) struct Listed {
    /// By row.
    ids: Vec<u64>,
    /// The rows in the order of their ids.
    by_id: Vec<u32>,
}

impl Ids {
    /// Lists ids, a different one for each row.
    ///
    /// # Errors
    /// An id occurs twice, or means that there is no row.
    pub(super) fn listed(ids: Vec<u64>) -> Result<Self> {
        if let Some(row) = ids.iter().position(|id| *id == NO_ROW) {
            return Err(Error::Index(IndexError::ReservedId { row }));
        }
        let mut by_id: Vec<u32> = (0..ids.len() as u32).collect();
        by_id.sort_unstable_by_key(|row| ids[*row as usize]);
        let id = |row: u32| ids[row as usize];
        if let Some(pair) = by_id.windows(2).find(|pair| id(pair[0]) == id(pair[1])) {
            return Err(Error::Index(IndexError::DuplicateId { id: id(pair[0]) }));
        }
        Ok(Self::Listed(Arc::new(Listed { ids, by_id })))
    }

    /// The id of a row.
    pub(super) fn of(&self, row: u32) -> u64 {
        match self {
            Self::From(first) => first + u64::from(row),
            Self::Listed(listed) => listed.ids[row as usize],
        }
    }

    /// The row of an id, among this many rows.
    pub(super) fn find(&self, id: u64, rows: usize) -> Option<u32> {
        match self {
            Self::From(first) => {
                id.checked_sub(*first).filter(|row| *row < rows as u64).map(|row| row as u32)
            }
            Self::Listed(listed) => {
                let Listed { ids, by_id } = &**listed;
                let found = by_id.binary_search_by_key(&id, |row| ids[*row as usize]);
                found.ok().map(|at| by_id[at])
            }
        }
    }

    /// An id that both have. There are so many rows here and there.
    pub(super) fn shared(&self, rows: usize, other: &Self, other_rows: usize) -> Option<u64> {
        // The shorter list is looked up in the longer one, and a range needs no look-up of each id.
        match (self, other) {
            (Self::From(a), Self::From(b)) => {
                let first = (*a).max(*b);
                (first < (a + rows as u64).min(b + other_rows as u64)).then_some(first)
            }
            (Self::Listed(listed), Self::From(_)) => listed.within(other, other_rows),
            (Self::From(_), Self::Listed(listed)) => listed.within(self, rows),
            (Self::Listed(a), Self::Listed(b)) if a.ids.len() > b.ids.len() => {
                b.ids.iter().copied().find(|id| self.find(*id, rows).is_some())
            }
            (Self::Listed(a), Self::Listed(_)) => {
                a.ids.iter().copied().find(|id| other.find(*id, other_rows).is_some())
            }
        }
    }

    /// The ids of some rows.
    pub(super) fn of_rows(&self, rows: impl Iterator<Item = u32>) -> Vec<u64> {
        rows.map(|row| self.of(row)).collect()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::From(_) => 0,
            Self::Listed(listed) => {
                let Listed { ids, by_id } = &**listed;
                (size_of_val(ids.as_slice()) + size_of_val(by_id.as_slice())) as u64
            }
        }
    }
}

impl Listed {
    /// The least of these ids that is within a range of ids.
    fn within(&self, range: &Ids, rows: usize) -> Option<u64> {
        let Ids::From(first) = range else { return None };
        let id = |at: usize| self.ids[self.by_id[at] as usize];
        let at = self.by_id.partition_point(|row| self.ids[*row as usize] < *first);
        (at < self.by_id.len() && range.find(id(at), rows).is_some()).then(|| id(at))
    }
}
