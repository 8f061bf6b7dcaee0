// The region of each row: the candidate that is expected to leave the least error (see
// `src/mixture/assign.rs`), the lower region of equals.
//     y      = SCALE (x[r, ..] - centroid)          z = SCALE leading[r, candidate, ..]
//     cost   = sum over l of half_share[l] (v[l] + max(v[l], z[l]^2)) + rest_share max(|y|^2 - |z|^2, 0)
// leading [chunk rows, SHORTLIST, LEADING4] vec4s. candidates [chunk rows, SHORTLIST].
// centroids [regions, INPUTS4] vec4s. costs [regions, 2 LEADING4 + 1] vec4s: v of four latents, then
// their half shares, and so on; in the end the rest's share. regions [chunk rows].
// LANES neighbouring threads share a row.
// needs: params, load_rows, row_values

override INPUTS4: u32;
override LEADING4: u32;
override SHORTLIST: u32;
override WORKGROUP: u32;
override LANES: u32;
// A power of two with which squares stay in the range of f32.
override SCALE: f32;

@group(0) @binding(1) var<storage, read> leading: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> candidates: array<u32>;
@group(0) @binding(4) var<storage, read> centroids: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> costs: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> regions: array<u32>;

// Each thread's share of |y|^2, |z|^2 and the cost of the leading latents.
var<workgroup> shares: array<vec3<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    // Threads beyond the last row repeat it, and reach the barriers with the others.
    let row = min(id.x / LANES, params.rows - 1u);
    let lane = id.x % LANES;
    var best = 0u;
    var best_cost = bitcast<f32>(0x7f7fffffu);
    for (var i = 0u; i < SHORTLIST; i++) {
        let item = row * SHORTLIST + i;
        let region = candidates[item];
        let cost_at = region * (2u * LEADING4 + 1u);
        var share = vec3<f32>();
        for (var at = lane; at < INPUTS4; at += LANES) {
            let y = SCALE * (row_values(load_rows(row * INPUTS4 + at)) - centroids[region * INPUTS4 + at]);
            share.x += dot(y, y);
        }
        for (var at = lane; at < LEADING4; at += LANES) {
            let z = SCALE * leading[item * LEADING4 + at];
            let variances = costs[cost_at + 2u * at];
            share.y += dot(z, z);
            share.z += dot(costs[cost_at + 2u * at + 1u], variances + max(variances, z * z));
        }
        if LANES > 1u {
            shares[thread] = share;
            workgroupBarrier();
            share = vec3<f32>();
            for (var other = 0u; other < LANES; other++) {
                share += shares[thread - lane + other];
            }
            workgroupBarrier();
        }
        let rest = costs[cost_at + 2u * LEADING4].x * max(share.x - share.y, 0.0);
        let cost = share.z + rest;
        if cost < best_cost || (cost == best_cost && region < best) {
            best = region;
            best_cost = cost;
        }
    }
    if lane == 0u && id.x / LANES < params.rows {
        regions[row] = best;
    }
}
