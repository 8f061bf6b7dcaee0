// Counts the items of each region, and gives each item a rank among those of its region:
//     ranks[item] = (region, rank)
// A workgroup counts its own items in workgroup memory, and then adds its counts to those of all: one
// atomic addition for each region that it has items of. Which rank an item gets is a matter of timing,
// and changes no result.
// ranks [items]
// needs: params, REGIONS, ITEMS_PER_ROW, region_of

const WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read_write> order: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> ranks: array<vec2<u32>>;

// The workgroup's items of each region, and then the rank of the first of these.
var<workgroup> own_counts: array<atomic<u32>, WORKGROUP>;
var<workgroup> first_ranks: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    atomicStore(&own_counts[thread], 0u);
    workgroupBarrier();
    let inside = id.x < params.rows * ITEMS_PER_ROW;
    var region = 0u;
    var rank = 0u;
    if inside {
        region = region_of(id.x);
        rank = atomicAdd(&own_counts[region], 1u);
    }
    workgroupBarrier();
    if thread < REGIONS {
        let count = atomicLoad(&own_counts[thread]);
        if count > 0u {
            // The counts come first in the buffer.
            first_ranks[thread] = atomicAdd(&order[thread], count);
        }
    }
    workgroupBarrier();
    if inside {
        ranks[id.x] = vec2<u32>(region, first_ranks[region] + rank);
    }
}
