// Items in the order of their regions: a counting sort in three kernels. An item is a row, or one of
// ITEMS_PER_ROW candidates of a row.
//     count:   region, rank among the region's items -> ranks[item];  counts[region] += 1
//     start:   starts[region] = sum of counts before it; the same in tiles of TILE_M items
//     scatter: order[starts[region] + rank] = item
// All of it lies in one buffer: counts [REGIONS], item starts [REGIONS + 1], tile starts
// [REGIONS + 1], order [items].
// gives: REGIONS, ITEMS_PER_ROW, item_start_at, tile_start_at, order_at

override REGIONS: u32;
override ITEMS_PER_ROW: u32;

fn item_start_at(region: u32) -> u32 {
    return REGIONS + region;
}

fn tile_start_at(region: u32) -> u32 {
    return 2u * REGIONS + 1u + region;
}

fn order_at(position: u32) -> u32 {
    return 3u * REGIONS + 2u + position;
}
