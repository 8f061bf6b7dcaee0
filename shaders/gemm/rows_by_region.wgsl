// The tiles of a GEMM over rows in the order of their regions: TILE_M rows of one region each, the
// last tile of a region fewer. Each region has weights of its own.
// The items of the order are rows, or ITEMS_PER_ROW results of each row.
// A dispatch covers the regions from FIRST_REGION up to END_REGION, whose weights are bound. There are
// as many workgroups as there may be tiles. Those beyond the last tile have no row.
// needs: params, TILE_M, Tile, ITEMS_PER_ROW, item_start_at, tile_start_at, order_at
// gives: FIRST_REGION, find_tile, loaded_row, stored_row, output_rows

override FIRST_REGION: u32;
override END_REGION: u32;

@group(0) @binding(8) var<storage, read> order: array<u32>;

// The tile's region is the last one that begins at or before the tile.
fn find_tile(group: vec2<u32>) -> Tile {
    let number = order[tile_start_at(FIRST_REGION)] + group.y;
    var region = FIRST_REGION;
    for (var step = 128u; step > 0u; step >>= 1u) {
        let next = region + step;
        if next < END_REGION {
            region = select(region, next, order[tile_start_at(next)] <= number);
        }
    }
    let first = order[item_start_at(region)] + (number - order[tile_start_at(region)]) * TILE_M;
    return Tile(group.x, region, first, order[item_start_at(region + 1u)]);
}

// The row that is loaded as row `i` of a tile. Rows beyond the last repeat it, and are not stored.
fn loaded_row(tile: Tile, i: u32) -> u32 {
    let item = order[order_at(min(tile.first + i, tile.end - 1u))];
    return min(item / ITEMS_PER_ROW, params.rows - 1u);
}

// Where row `i` of a tile is stored: at or beyond `output_rows()` if it is not.
fn stored_row(tile: Tile, i: u32) -> u32 {
    if tile.first + i < tile.end {
        return order[order_at(tile.first + i)];
    }
    return output_rows();
}

fn output_rows() -> u32 {
    return params.rows * ITEMS_PER_ROW;
}
