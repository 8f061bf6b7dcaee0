// Sums of the values that threads of a workgroup have.
// needs: WORKGROUP
// gives: sum_of_threads

var<workgroup> partial_sums: array<f32, WORKGROUP>;

// The sum of the thread's value and of those of its neighbours: of each `count` threads, a power of two. All threads call
// it together.
fn sum_of_threads(thread: u32, count: u32, own: f32) -> f32 {
    partial_sums[thread] = own;
    workgroupBarrier();
    for (var distance = count / 2u; distance > 0u; distance /= 2u) {
        if thread % count < distance {
            partial_sums[thread] += partial_sums[thread + distance];
        }
        workgroupBarrier();
    }
    let sum = partial_sums[thread - thread % count];
    // The next call writes them.
    workgroupBarrier();
    return sum;
}
