//! Adapters: what is there, in order of preference, and what the environment asks for.

use std::sync::LazyLock;
use std::{env, fs};

use wgpu::{
    Adapter, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags,
};

use crate::error::{Error, Result};
use crate::memory;

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

/// Address space below which no driver is loaded. Drivers do not survive when an allocation fails:
/// Mesa's ends the process below 1 GiB.
const DRIVER_ADDRESSES: u64 = 2 << 30;

/// All adapters. The first call loads the drivers.
pub(super) async fn all() -> Result<Vec<Adapter>> {
    if let Some(available) = memory::free_addresses().filter(|free| *free < DRIVER_ADDRESSES) {
        let (what, required) = ("bytes of address space for a GPU driver", DRIVER_ADDRESSES);
        let remedy = "raise its limit (ulimit -v), or use Engine::Cpu";
        return Err(Error::Limit { what, required, available, remedy });
    }
    Ok(INSTANCE.enumerate_adapters(backends()).await)
}

/// Whether the system shows a device that is not a software one. Looked at before any driver is
/// loaded: loading a software driver takes time and memory, and some print to stderr.
pub(super) fn shows_hardware() -> bool {
    /// Beginnings of the names in `/dev` of devices that drivers of GPUs open.
    const DEVICES: [&str; 10] =
        ["dri", "nvidia", "nvgpu", "nvhost", "dxg", "kfd", "kgsl", "mali", "pvr", "galcore"];
    if !cfg!(target_os = "linux") || env::var_os("WGPU_ADAPTER_NAME").is_some() {
        return true;
    }
    let Ok(devices) = fs::read_dir("/dev") else { return true };
    let mut names = devices.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| DEVICES.iter().any(|begin| name.starts_with(begin)))
}

/// The best adapter: real ones first, software ones last. Where `WGPU_ADAPTER_NAME` is set, only
/// adapters whose name contains it.
pub(super) async fn best() -> Result<Adapter> {
    let all = all().await?;
    let wanted = env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let found = describe(&all);
    let serves = |adapter: &Adapter| wanted.as_ref().is_none_or(|name| has_name(adapter, name));
    all.into_iter().filter(serves).min_by_key(rank).ok_or_else(|| {
        let wanted = match &wanted {
            Some(name) => format!("whose name contains {name:?} (WGPU_ADAPTER_NAME)"),
            None => format!("on {:?}", backends()),
        };
        Error::NoAdapter { wanted, found }
    })
}

/// The adapter of this number, or else the first one whose name contains the text.
pub(super) fn find(all: &[Adapter], number_or_name: &str) -> Result<Adapter> {
    let by_name = || all.iter().find(|adapter| has_name(adapter, number_or_name));
    let by_number = number_or_name.parse().ok().and_then(|number: usize| all.get(number));
    by_number.or_else(by_name).cloned().ok_or_else(|| {
        let wanted = format!("has the number or name {number_or_name:?}");
        let names = all.iter().map(|adapter| adapter.get_info().name).enumerate();
        let numbered: Vec<String> =
            names.map(|(number, name)| format!("{number} {name}")).collect();
        let found = if numbered.is_empty() { "none".into() } else { numbered.join(", ") };
        Error::NoAdapter { wanted, found }
    })
}

/// Whether an adapter's name contains a text, which is not empty, in whatever case.
fn has_name(adapter: &Adapter, text: &str) -> bool {
    !text.is_empty() && adapter.get_info().name.to_lowercase().contains(&text.to_lowercase())
}

/// The adapter that this describes.
pub(super) async fn like(info: &AdapterInfo) -> Result<Adapter> {
    let all = all().await?;
    let found = describe(&all);
    let same = |adapter: &Adapter| {
        let other = adapter.get_info();
        let numbers = |info: &AdapterInfo| (info.vendor, info.device, info.backend);
        // Of several equal cards the same one.
        other.name == info.name
            && numbers(&other) == numbers(info)
            && other.device_pci_bus_id == info.device_pci_bus_id
    };
    all.into_iter().find(same).ok_or_else(|| {
        let wanted = format!("of the name {}, which was there before", info.name);
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
