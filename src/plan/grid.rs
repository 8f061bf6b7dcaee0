//! How workgroups cover the rows of a chunk.

use crate::error::{Error, OTHER_ADAPTER, Result};

/// What a tile consists of: rows, or several items of each row, which may be in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Items {
    pub(crate) per_row: u32,
    /// No tile has items of two groups, of which each may therefore end in a tile of its own.
    pub(crate) groups: u32,
}

impl Items {
    /// The rows themselves, in order.
    pub(crate) const ROWS: Self = Self { per_row: 1, groups: 1 };

    /// The most tiles of `tile` items that `rows` rows may need.
    fn tiles(self, rows: u32, tile: u32) -> u64 {
        let items = u64::from(rows) * u64::from(self.per_row);
        items.min(items.div_ceil(tile.into()) + u64::from(self.groups - 1))
    }

    /// The most rows that never need more than `tiles` tiles.
    fn max_rows(self, tiles: u64, tile: u32) -> u64 {
        let whole = tiles.saturating_sub(u64::from(self.groups - 1));
        whole.saturating_mul(tile.into()).max(tiles) / u64::from(self.per_row)
    }
}

/// The order in which workgroups cover a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// One-dimensional workgroups of `workgroup_size` threads. A thread covers `tile_rows` items of
    /// one of `columns` columns.
    Threads { workgroup_size: u32, tile_rows: u32, columns: u32, items: Items },
    /// Two-dimensional workgroups, each a tile of `tile_rows` items and `tile_columns` of
    /// `total_columns` columns. With `max_row_groups` it is a grid-stride loop over the row tiles
    /// with at most `max_row_groups` workgroups.
    Tiles {
        tile_rows: u32,
        tile_columns: u32,
        total_columns: u32,
        max_row_groups: Option<u32>,
        items: Items,
    },
    /// One workgroup, whatever the rows.
    One,
}

impl Grid {
    /// Workgroups over the rows in order, `columns` threads per row.
    pub(crate) fn of_rows(workgroup_size: u32, columns: u32) -> Self {
        Self::Threads { workgroup_size, tile_rows: 1, columns, items: Items::ROWS }
    }

    /// Workgroups in each dimension for a chunk of `rows` rows.
    pub(crate) fn groups(self, rows: u32) -> [u32; 3] {
        // `max_rows` has bounded it.
        let bounded = |groups: u64| u32::try_from(groups).unwrap_or(u32::MAX);
        match self {
            Self::Threads { workgroup_size, tile_rows, columns, items } => {
                let threads = items.tiles(rows, tile_rows) * u64::from(columns);
                [bounded(threads.div_ceil(u64::from(workgroup_size))), 1, 1]
            }
            Self::Tiles { tile_rows, tile_columns, total_columns, max_row_groups, items } => {
                let row_groups = bounded(items.tiles(rows, tile_rows));
                let row_groups = max_row_groups.map_or(row_groups, |max| row_groups.min(max));
                [total_columns.div_ceil(tile_columns), row_groups, 1]
            }
            Self::One => [1, 1, 1],
        }
    }

    /// The most rows a dispatch covers.
    pub(super) fn max_rows(self, groups: u32) -> Result<u64> {
        let limit = |required: u64| Error::Limit {
            what: "workgroups in one dimension",
            required,
            available: groups.into(),
            remedy: OTHER_ADAPTER,
        };
        match self {
            Self::Threads { workgroup_size, tile_rows, columns, items } => {
                let threads = u64::from(groups) * u64::from(workgroup_size);
                match items.max_rows(threads / u64::from(columns), tile_rows) {
                    0 => {
                        let threads = items.tiles(1, tile_rows) * u64::from(columns);
                        Err(limit(threads.div_ceil(workgroup_size.into())))
                    }
                    rows => Ok(rows),
                }
            }
            Self::Tiles { tile_rows, tile_columns, total_columns, max_row_groups, items } => {
                match total_columns.div_ceil(tile_columns) {
                    wide if wide > groups => Err(limit(wide.into())),
                    // A grid-stride loop covers any number of rows.
                    _ if max_row_groups.is_some() => Ok(u64::MAX),
                    _ => match items.max_rows(groups.into(), tile_rows) {
                        0 => Err(limit(items.tiles(1, tile_rows))),
                        rows => Ok(rows),
                    },
                }
            }
            Self::One => Ok(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_cover_every_row() {
        for rows in [1, 11, 12, 13, 63, 64, 65, 1000] {
            let [x, ..] =
                Grid::Threads { workgroup_size: 64, tile_rows: 12, columns: 3, items: Items::ROWS }
                    .groups(rows);
            assert!(x * 64 >= rows.div_ceil(12) * 3 && (x - 1) * 64 < rows.div_ceil(12) * 3);
            let [x, y, _] = Grid::Tiles {
                tile_rows: 64,
                tile_columns: 16,
                total_columns: 17,
                max_row_groups: None,
                items: Items::ROWS,
            }
            .groups(rows);
            assert_eq!((x, y), (2, rows.div_ceil(64)));
        }
        // At most `max_row_groups` workgroups share the row tiles.
        let strided = Grid::Tiles {
            tile_rows: 16,
            tile_columns: 32,
            total_columns: 33,
            max_row_groups: Some(512),
            items: Items::ROWS,
        };
        for (rows, expected) in [(1, 1), (16, 1), (17, 2), (8192, 512), (8193, 512), (1 << 30, 512)]
        {
            assert_eq!(strided.groups(rows), [2, expected, 1]);
        }
    }

    /// Whatever the regions of the items are, there is a workgroup for each tile.
    #[test]
    fn grids_cover_the_last_tiles_of_all_groups() {
        let items = Items { per_row: 3, groups: 5 };
        let tiles = |rows: u32, limit: u32| {
            let grid = Grid::Tiles {
                tile_rows: 4,
                tile_columns: 1,
                total_columns: 1,
                max_row_groups: None,
                items,
            };
            let max_rows = grid.max_rows(limit).unwrap();
            assert!(grid.groups(u32::try_from(max_rows).unwrap())[1] <= limit);
            grid.groups(rows)[1]
        };
        // 1 item of each of four regions, and the rest in the fifth; all items of tiles of their own.
        for (rows, expected) in [(1, 3), (2, 6), (3, 7), (100, 79)] {
            assert_eq!(tiles(rows, 1000), expected, "{rows} rows");
        }
        for limit in 5..40 {
            tiles(1, limit);
        }
        assert_eq!(Grid::One.groups(1 << 30), [1, 1, 1]);
    }
}
