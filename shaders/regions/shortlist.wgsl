// The nearest regions of each row: the SHORTLIST largest scores, the lower region of equals first.
// scores [chunk rows, SCORES4] vec4s, of which REGIONS values count. candidates [chunk rows,
// SHORTLIST]. A thread owns a row. It finds one region after the other: each is the best of those
// that come after the last one found, so that no list has to be kept.
// needs: params

override REGIONS: u32;
override SCORES4: u32;
override SHORTLIST: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> scores: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> candidates: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    var last_score = bitcast<f32>(0x7f7fffffu);
    // Before region 0 of the same score.
    var next_region = 0u;
    for (var i = 0u; i < SHORTLIST; i++) {
        // Of a row whose scores are not finite, which the host reports, region 0 is found again.
        var best = 0u;
        var best_score = bitcast<f32>(0xff7fffffu);
        for (var at = 0u; at < SCORES4; at++) {
            let four = scores[row * SCORES4 + at];
            for (var j = 0u; j < 4u; j++) {
                let region = 4u * at + j;
                let score = four[j];
                let comes_after = score < last_score || (score == last_score && region >= next_region);
                if region < REGIONS && comes_after && score > best_score {
                    best = region;
                    best_score = score;
                }
            }
        }
        candidates[row * SHORTLIST + i] = best;
        last_score = best_score;
        next_region = best + 1u;
    }
}
