// A tile's rows into memory.

fn store_block(row: u32, o4: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    store(row, o4, a);
    store(row + 1u, o4, b);
    store(row + 2u, o4, c);
    store(row + 3u, o4, d);
}

@compute @workgroup_size(ACROSS, DOWN)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var s = product(group.xy, local.xy);
    let at = place(group.xy, local.xy);
    finish_all(&s, at);
    store_block(at.x, at.y, s[0], s[1], s[2], s[3]);
    if ROWS4 == 2u {
        store_block(at.x + 4u * DOWN, at.y, s[4], s[5], s[6], s[7]);
    }
    if COLUMNS4 == 2u {
        store_block(at.x, at.y + ACROSS, s[8], s[9], s[10], s[11]);
        if ROWS4 == 2u {
            store_block(at.x + 4u * DOWN, at.y + ACROSS, s[12], s[13], s[14], s[15]);
        }
    }
}
