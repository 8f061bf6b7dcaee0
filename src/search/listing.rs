//! Rows in the order in which they are scored: region by region.

use std::ops::Range;

use crate::mixture::Groups;

/// Rows of a batch, sorted by region. Rows of one region are in the order in which they were added.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// None where all rows of the batch are listed, and are of one region: they are in order.
    order: Option<Vec<u32>>,
    /// Where each region begins, and the end of the last one.
    starts: Vec<usize>,
    /// `[blocks, regions]`: the position of the first row of a region that is in a block or a later one. Empty
    /// where there is no order, and where only some rows are listed.
    blocks: Vec<u32>,
}

/// Neighbouring rows of a batch that may be searched before others. With 64 or 128 bytes per row, all their codes fit
/// the second cache of a core.
pub(crate) const BLOCK_ROWS: usize = 4096;

/// Some rows of a listing.
#[derive(Clone, Debug)]
pub(crate) enum Rows<'a> {
    /// Neighbours.
    Run(Range<u32>),
    Listed(&'a [u32]),
}

impl Rows<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Run(rows) => rows.len(),
            Self::Listed(rows) => rows.len(),
        }
    }

    /// The row at a position.
    #[inline(always)]
    pub(crate) fn at(&self, position: usize) -> u32 {
        match self {
            Self::Run(rows) => rows.start + position as u32,
            Self::Listed(rows) => rows[position],
        }
    }

    /// Some of these rows, by their positions.
    pub(crate) fn part(&self, positions: Range<usize>) -> Self {
        match self {
            Self::Run(rows) => {
                let at = |position: usize| rows.start + position as u32;
                Self::Run(at(positions.start)..at(positions.end))
            }
            Self::Listed(rows) => Self::Listed(&rows[positions]),
        }
    }

    /// Calls `visit` with each row: a loop for each kind of rows.
    #[inline(always)]
    pub(crate) fn each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Self::Run(rows) => {
                for row in rows.clone() {
                    visit(row);
                }
            }
            Self::Listed(rows) => {
                for row in *rows {
                    visit(*row);
                }
            }
        }
    }

    /// Appends what each row has.
    #[inline(always)]
    pub(crate) fn gather<T: Copy>(&self, of_all: &[T], to: &mut Vec<T>) {
        match self {
            Self::Run(rows) => {
                to.extend_from_slice(&of_all[rows.start as usize..rows.end as usize])
            }
            Self::Listed(rows) => to.extend(rows.iter().map(|row| of_all[*row as usize])),
        }
    }
}

impl Listing {
    /// Lists all `rows` rows of a batch, of which `region_of` gives the region.
    pub(crate) fn all(rows: u32, regions: usize, region_of: impl Fn(u32) -> usize) -> Self {
        match regions {
            1 => Self { order: None, starts: vec![0, rows as usize], blocks: Vec::new() },
            _ => {
                let numbers: Vec<u8> = (0..rows).map(|row| region_of(row) as u8).collect();
                let mut groups = Groups::default();
                groups.sort(&numbers, regions);
                let (order, starts) = groups.into_parts();
                let begin = |first: u32, region: usize| {
                    let (start, end) = (starts[region], starts[region + 1]);
                    (start + order[start..end].partition_point(|row| *row < first)) as u32
                };
                let blocks = (0..rows).step_by(BLOCK_ROWS);
                let blocks = blocks.flat_map(|first| (0..regions).map(move |r| (first, r)));
                let blocks = blocks.map(|(first, region)| begin(first, region)).collect();
                Self { order: Some(order), starts, blocks }
            }
        }
    }

    /// Lists some of the rows of another listing.
    pub(crate) fn some(&self, is_listed: impl Fn(u32) -> bool) -> Self {
        let (mut order, mut starts) = (Vec::new(), vec![0]);
        for region in 0..self.starts.len() - 1 {
            let rows = self.region(region).map(|at| self.row(at));
            order.extend(rows.filter(|row| is_listed(*row)));
            starts.push(order.len());
        }
        Self { order: Some(order), starts, blocks: Vec::new() }
    }

    /// Lists these rows, of which there are so many, and then the rows of another batch behind them.
    pub(crate) fn merged(&self, rows: u32, next: &Self) -> Self {
        let end = rows + next.starts.last().map_or(0, |rows| *rows as u32);
        let (region_of, region_of_next) = (self.regions(rows), next.regions(end - rows));
        Self::all(end, self.starts.len() - 1, |row| match row.checked_sub(rows) {
            None => region_of[row as usize].into(),
            Some(row) => region_of_next[row as usize].into(),
        })
    }

    /// Lists rows that are selected from those of this listing, in order.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        let all = self.starts.last().map_or(0, |rows| *rows as u32);
        let region_of = self.regions(all);
        let regions = self.starts.len() - 1;
        Self::all(rows.len() as u32, regions, |row| region_of[rows[row as usize] as usize].into())
    }

    /// The region of each row, where all `rows` rows are listed.
    fn regions(&self, rows: u32) -> Vec<u8> {
        let mut regions = vec![0; rows as usize];
        for region in 0..self.starts.len() - 1 {
            self.region(region).for_each(|at| regions[self.row(at) as usize] = region as u8);
        }
        regions
    }

    /// The listed rows of a region, as positions in the list.
    pub(crate) fn region(&self, region: usize) -> Range<usize> {
        self.starts[region]..self.starts[region + 1]
    }

    /// How many rows are listed.
    pub(crate) fn row_count(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The row at a position.
    #[inline(always)]
    pub(crate) fn row(&self, at: usize) -> u32 {
        self.order.as_ref().map_or(at as u32, |order| order[at])
    }

    /// The rows at these positions.
    pub(crate) fn rows(&self, at: Range<usize>) -> Rows<'_> {
        match &self.order {
            None => Rows::Run(at.start as u32..at.end as u32),
            Some(order) => Rows::Listed(&order[at]),
        }
    }

    /// How many blocks the rows are divided into; none where rows lie apart from each other.
    pub(crate) fn block_count(&self) -> usize {
        match &self.order {
            None => self.row_count().div_ceil(BLOCK_ROWS),
            Some(_) => self.blocks.len() / (self.starts.len() - 1),
        }
    }

    /// The listed rows of a region in some blocks, as positions in the list.
    pub(crate) fn part(&self, region: usize, blocks: Range<usize>) -> Range<usize> {
        let all = self.region(region);
        let begin = |block: usize| match &self.order {
            None => (block * BLOCK_ROWS).min(all.end),
            Some(_) => {
                let regions = self.starts.len() - 1;
                self.blocks.get(block * regions + region).map_or(all.end, |at| *at as usize)
            }
        };
        begin(blocks.start)..begin(blocks.end)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> u64 {
        let order = self.order.as_deref().unwrap_or_default();
        (size_of_val(order) + size_of_val(self.blocks.as_slice())) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_listed_by_region() {
        let region_of = |row: u32| (row as usize * 7 + 2) % 3;
        let all = Listing::all(20, 4, region_of);
        let rows = |listing: &Listing, region| -> Vec<u32> {
            listing.region(region).map(|at| listing.row(at)).collect()
        };
        for region in 0..4 {
            let expected: Vec<u32> = (0..20).filter(|row| region_of(*row) == region).collect();
            assert_eq!(rows(&all, region), expected);
            let even = all.some(|row| row % 2 == 0);
            let expected: Vec<u32> = expected.into_iter().filter(|row| row % 2 == 0).collect();
            assert_eq!(rows(&even, region), expected);
        }
        let single = Listing::all(5, 1, |_| 0);
        assert_eq!(rows(&single, 0), [0, 1, 2, 3, 4]);
        assert_eq!(rows(&single.some(|row| row > 2), 0), [3, 4]);
    }

    /// Blocks divide each region's rows, in order, by the block that a row lies in.
    #[test]
    fn parts_are_of_their_blocks() {
        let region_of = |row: u32| (row.wrapping_mul(2_654_435_761) >> 9) as usize % 3;
        for rows in [1, BLOCK_ROWS as u32 - 1, BLOCK_ROWS as u32, 3 * BLOCK_ROWS as u32 + 5] {
            for (regions, region_of) in [(1, (|_| 0) as fn(u32) -> usize), (4, region_of)] {
                let all = Listing::all(rows, regions, region_of);
                assert_eq!(all.block_count(), (rows as usize).div_ceil(BLOCK_ROWS));
                for region in 0..regions {
                    let mut end = all.region(region).start;
                    for block in 0..all.block_count() {
                        let part = all.part(region, block..block + 1);
                        assert_eq!(part.start, end);
                        end = part.end;
                        let is_inside = |at| all.row(at) as usize / BLOCK_ROWS == block;
                        assert!(part.clone().all(is_inside), "{rows} {regions} {region} {block}");
                        let listed = all.rows(part.clone());
                        assert_eq!(listed.len(), part.len());
                        let mut seen = Vec::new();
                        listed.each(|row| seen.push(row));
                        assert!(seen.into_iter().eq(part.map(|at| all.row(at))));
                    }
                    assert_eq!(end, all.region(region).end);
                    assert_eq!(all.part(region, 0..all.block_count()), all.region(region));
                }
                assert_eq!(all.some(|row| row % 2 == 0).block_count(), 0);
            }
        }
    }
}
