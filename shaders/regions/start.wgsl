// Sums up the counts of the regions: where each region begins, in items and in tiles of TILE_M items.
// Counts go back to zero for the next chunk. One workgroup does all of it, a thread a region.
// No start exceeds the number of items, whatever the counts say.
// needs: params, REGIONS, ITEMS_PER_ROW, item_start_at, tile_start_at

const WORKGROUP: u32 = 256u;

override TILE_M: u32;

@group(0) @binding(1) var<storage, read_write> order: array<u32>;

// Items, and tiles, of the regions up to each thread's.
var<workgroup> sums: array<vec2<u32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) thread: u32) {
    let items = params.rows * ITEMS_PER_ROW;
    var sum = vec2<u32>();
    if thread < REGIONS {
        let count = min(order[thread], items);
        order[thread] = 0u;
        sum = vec2<u32>(count, (count + TILE_M - 1u) / TILE_M);
    }
    for (var step = 1u; step < WORKGROUP; step *= 2u) {
        sums[thread] = sum;
        workgroupBarrier();
        if thread >= step {
            sum += sums[thread - step];
        }
        workgroupBarrier();
    }
    if thread == 0u {
        order[item_start_at(0u)] = 0u;
        order[tile_start_at(0u)] = 0u;
    }
    if thread < REGIONS {
        order[item_start_at(thread + 1u)] = min(sum.x, items);
        order[tile_start_at(thread + 1u)] = sum.y;
    }
}
