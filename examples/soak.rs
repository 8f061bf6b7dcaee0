//! Runs mixed calls on 16 threads for some minutes, loses a device now and then, compares every result,
//! and watches the resident memory.
//!
//! ```text
//! cargo run --release --example soak -- [SECONDS]
//! ```

use std::time::Duration;

use vecodec::Gpu;
use vecodec::wgpu::{Backends, DeviceDescriptor, Instance, InstanceDescriptor};

#[path = "../tests/it/stress.rs"]
mod stress;

/// Growth of the resident memory that is no leak: allocators and drivers keep some.
const SLACK: u64 = 256 << 20;

fn main() {
    let seconds = std::env::args().nth(1).map_or(600, |n| n.parse().expect("a number of seconds"));
    let own = Gpu::new().expect("a GPU, or a software adapter");
    println!("{seconds} s on {}", own.adapter_info().name);
    let (time, loss) =
        (Duration::from_secs(seconds), Duration::from_secs(seconds.clamp(4, 40) / 4));
    let callers = callers_device(&own);
    let report = stress::run(time, Some(loss), own, callers);
    println!("{report}");
    let [before, after] = report.resident;
    assert!(report.devices_destroyed > 0 && report.recoveries > 0, "no device was lost");
    assert!(after <= before + SLACK, "the resident memory grew from {before} to {after} bytes");
}

/// A device that the program opens by itself, on the same adapter.
fn callers_device(like: &Gpu) -> Gpu {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    let wanted = like.adapter_info();
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::all()));
    let adapter = adapters
        .into_iter()
        .find(|adapter| {
            let info = adapter.get_info();
            (&info.name, info.backend) == (&wanted.name, wanted.backend)
        })
        .expect("the adapter was there before");
    let (device, queue) =
        pollster::block_on(adapter.request_device(&DeviceDescriptor::default())).expect("a device");
    Gpu::from_device(device, queue).expect("a device for compute shaders")
}
