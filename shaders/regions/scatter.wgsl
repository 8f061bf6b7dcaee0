// Puts the items into the order of their regions. A thread takes an item.
// needs: params, ITEMS_PER_ROW, item_start_at, order_at

override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<vec2<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let items = params.rows * ITEMS_PER_ROW;
    if id.x >= items {
        return;
    }
    let item = ranks[id.x];
    let position = order[item_start_at(item.x)] + item.y;
    if position < items {
        order[order_at(position)] = id.x;
    }
}
