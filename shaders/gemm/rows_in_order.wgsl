// The tiles of a GEMM over rows in their order: TILE_M neighbouring rows each.
// needs: params, TILE_M, Tile
// gives: FIRST_REGION, find_tile, loaded_row, stored_row, output_rows

const FIRST_REGION: u32 = 0u;

fn find_tile(group: vec2<u32>) -> Tile {
    return Tile(group.x, 0u, group.y * TILE_M, params.rows);
}

// The row that is loaded as row `i` of a tile. Rows beyond the last repeat it, and are not stored.
fn loaded_row(tile: Tile, i: u32) -> u32 {
    return min(tile.first + i, params.rows - 1u);
}

// Where row `i` of a tile is stored: at or beyond `output_rows()` if it is not.
fn stored_row(tile: Tile, i: u32) -> u32 {
    return tile.first + i;
}

fn output_rows() -> u32 {
    return params.rows;
}
