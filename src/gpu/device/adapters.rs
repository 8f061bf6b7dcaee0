//! Adapters: what is there, in order of preference, and what the environment asks for.

use std::env;
use std::sync::LazyLock;

use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags};

use crate::error::{Error, Result};

/// One instance for the process: Vulkan loaders crash when several are created and dropped on threads.
static INSTANCE: LazyLock<Instance> = LazyLock::new(|| {
    let mut descriptor = InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends();
    // The validation layers, and pipelines for indirect calls that are never made, stay out
    // unless they are asked for.
    descriptor.flags = InstanceFlags::empty().with_env();
    Instance::new(descriptor)
});

fn backends() -> Backends {
    Backends::from_env().unwrap_or(Backends::PRIMARY)
}

/// The best adapter: real ones first, software ones last. Where `WGPU_ADAPTER_NAME` is set, only
/// adapters whose name contains it.
pub(super) async fn best() -> Result<Adapter> {
    let all = INSTANCE.enumerate_adapters(backends()).await;
    let wanted = env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let found = describe(&all);
    let serves = |adapter: &Adapter| {
        wanted.as_ref().is_none_or(|name| {
            adapter.get_info().name.to_lowercase().contains(&name.to_lowercase())
        })
    };
    all.into_iter().filter(serves).min_by_key(rank).ok_or_else(|| {
        let wanted = match &wanted {
            Some(name) => format!("whose name contains {name:?} (WGPU_ADAPTER_NAME)"),
            None => format!("on {:?}", backends()),
        };
        Error::NoAdapter { wanted, found }
    })
}

fn rank(adapter: &Adapter) -> u8 {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

fn describe(adapters: &[Adapter]) -> String {
    let names: Vec<String> = adapters
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            format!("{} ({}, {:?})", info.name, info.backend, info.device_type)
        })
        .collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
