// Visits the tiles of a round. A workgroup takes neighbouring tiles, most of which are of one region.
// needs: round, lists, TILE, tiles, is_in_round, ROWS, prepare, prepare_region, QUERIES, score
// gives: WORKGROUP

const WORKGROUP: u32 = TILE / ROWS;

// The tile that a round visits as its i-th one.
fn tile_of(i: u32) -> u32 {
    return round.first_tile + i * round.tile_stride;
}

fn region_of(i: u32) -> u32 {
    return tiles[tile_of(i)] >> 24u;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    prepare(thread);
    var thresholds: vec4<u32>;
    for (var query = 0u; query < QUERIES; query++) {
        thresholds[query] = lists[group.y * QUERIES + query].threshold;
    }
    // Some workgroups have a tile more than the others.
    let count = round.tile_count / round.workgroups;
    let more = round.tile_count % round.workgroups;
    var i = group.x * count + min(group.x, more);
    let end = i + count + select(0u, 1u, group.x < more);
    loop {
        if i >= end {
            break;
        }
        let region = region_of(i);
        prepare_region(region, group.y, thread);
        loop {
            let tile = tile_of(i);
            let rows = min(tiles[tile] & 0xffffffu, round.tile_rows);
            if is_in_round(i) && thread < rows {
                score(region, tile, rows, group.y, thresholds, thread);
            }
            i += 1u;
            if i >= end || region_of(i) != region {
                break;
            }
        }
    }
}
