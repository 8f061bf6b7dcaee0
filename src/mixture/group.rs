//! Rows in the order of their regions.

/// Rows of a block, sorted by region. The memory is used again for the next block.
#[derive(Default)]
pub(crate) struct Groups {
    order: Vec<u32>,
    /// Where each region begins in the order, and the end of the last one.
    starts: Vec<usize>,
}

impl Groups {
    /// Sorts the numbers of rows by their region: a counting sort. Rows of one region stay in order.
    pub(crate) fn sort(&mut self, regions: &[u8], count: usize) {
        self.starts.clear();
        self.starts.resize(count + 1, 0);
        for region in regions {
            self.starts[usize::from(*region) + 1] += 1;
        }
        for region in 0..count {
            self.starts[region + 1] += self.starts[region];
        }
        self.order.resize(regions.len(), 0);
        for (row, region) in (0..).zip(regions) {
            let next = &mut self.starts[usize::from(*region)];
            self.order[*next] = row;
            *next += 1;
        }
        // Each start has moved to the next region's.
        self.starts.rotate_right(1);
        self.starts[0] = 0;
    }

    /// The numbers of all rows in order, and where each region begins with the end of the last one.
    pub(crate) fn into_parts(self) -> (Vec<u32>, Vec<usize>) {
        (self.order, self.starts)
    }

    /// The rows of a region.
    pub(crate) fn rows(&self, region: usize) -> &[u32] {
        &self.order[self.starts[region]..self.starts[region + 1]]
    }

    /// The rows of each region that has some.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[u32])> {
        (0..self.starts.len() - 1)
            .map(|region| (region, self.rows(region)))
            .filter(|(_, rows)| !rows.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_the_group_of_its_region() {
        let mut groups = Groups::default();
        for regions in [vec![2u8, 0, 2, 2, 4, 0], vec![1], vec![], vec![4; 9]] {
            groups.sort(&regions, 5);
            let mut seen = vec![];
            for (region, rows) in groups.iter() {
                assert!(rows.is_sorted());
                assert!(rows.iter().all(|row| usize::from(regions[*row as usize]) == region));
                seen.extend_from_slice(rows);
            }
            seen.sort();
            assert!(seen.iter().copied().eq(0..regions.len() as u32));
        }
    }
}
