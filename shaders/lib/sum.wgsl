// The sum of the values that the threads of a workgroup have.
// needs: WORKGROUP
// gives: sum_of_workgroup

var<workgroup> partial_sums: array<f32, WORKGROUP>;

// All threads call it together, and once.
fn sum_of_workgroup(thread: u32, own: f32) -> f32 {
    partial_sums[thread] = own;
    workgroupBarrier();
    for (var distance = WORKGROUP / 2u; distance > 0u; distance /= 2u) {
        if thread < distance {
            partial_sums[thread] += partial_sums[thread + distance];
        }
        workgroupBarrier();
    }
    return partial_sums[0];
}
