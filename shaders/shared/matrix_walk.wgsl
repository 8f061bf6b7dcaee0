// The walk over the inputs in steps.

// Adds the products of rows multiplied with `units` to `sums`. Gives the largest magnitudes of the
// rows that the thread brought, where `put_x` tells them.
fn walk(group: vec2<u32>, thread: u32, units: vec4<f32>, sums: ptr<function, Kept>) -> vec4<u32> {
    var largest = vec4<u32>();
    let rows = brought(thread);
    let first = first_matrix(group, thread);
    var fetched = fetch_step(group, thread, 0u);
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        // Beyond the last input x is zero, whatever stands there in memory.
        let i4 = thread % STEP4;
        let inside = step4 + i4 < INPUTS4;
        let at = rows * STRIDE + 4u * i4;
        let a = select(vec4<f32>(), unpack(fetched.a), inside);
        largest.x = max(largest.x, put_x(at.x, a, units.x));
        if ROWS > AT_ONCE {
            let b = select(vec4<f32>(), unpack(fetched.b), inside);
            largest.y = max(largest.y, put_x(at.y, b, units.y));
        }
        if ROWS > 2u * AT_ONCE {
            let c = select(vec4<f32>(), unpack(fetched.c), inside);
            let d = select(vec4<f32>(), unpack(fetched.d), inside);
            largest.z = max(largest.z, put_x(at.z, c, units.z));
            largest.w = max(largest.w, put_x(at.w, d, units.w));
        }
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step4 + STEP4 < INPUTS4 {
            fetched = fetch_step(group, thread, step4 + STEP4);
        }
        let matrix = first + 4u * step4 / SIDE;
        multiply(sums, 0u, matrix);
        if STEP > SIDE {
            multiply(sums, SIDE, matrix + 1u);
        }
        workgroupBarrier();
    }
    return largest;
}
