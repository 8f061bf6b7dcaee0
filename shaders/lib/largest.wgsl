// The largest magnitude that the threads of a workgroup have found.
// gives: largest_of_workgroup

var<workgroup> largest_bits: atomic<u32>;

// Each thread has the bits of its own largest magnitude. All threads call it together, and once.
fn largest_of_workgroup(thread: u32, own: u32) -> u32 {
    if thread == 0u {
        atomicStore(&largest_bits, 0u);
    }
    workgroupBarrier();
    atomicMax(&largest_bits, own);
    workgroupBarrier();
    return atomicLoad(&largest_bits);
}
