//! Sizes and memory on the host. Every product of numbers that come from outside is computed here,
//! and every allocation that such a product decides is made or checked here.

use crate::error::{Error, Result};

/// Requests below this are left to the allocator. Asking the system costs some ten microseconds.
const CHECKED_BYTES: u64 = 64 << 20;

/// The bytes of an array of this shape; none beyond `u64`.
pub(crate) fn bytes_of<T>(shape: &[usize]) -> Option<u64> {
    let of_value = size_of::<T>() as u64;
    shape.iter().try_fold(of_value, |bytes, &len| bytes.checked_mul(u64::try_from(len).ok()?))
}

/// Fails if an array of this shape exceeds the free memory. `what` names the array in the error.
pub(crate) fn check<T>(what: &'static str, shape: &[usize]) -> Result<()> {
    check_bytes(what, bytes_of::<T>(shape).unwrap_or(u64::MAX))
}

/// Fails if so many bytes exceed the free memory. `what` names what needs them in the error.
pub(crate) fn check_bytes(what: &'static str, required: u64) -> Result<()> {
    if required < CHECKED_BYTES {
        return Ok(());
    }
    match free_bytes() {
        available if required > available => Err(Error::HostMemory { what, required, available }),
        _ => Ok(()),
    }
}

/// Zeros of this shape, or an error where there is no memory for them.
pub(crate) fn zeroed<T: bytemuck::Zeroable>(what: &'static str, shape: &[usize]) -> Result<Vec<T>> {
    let len = checked_len::<T>(what, shape)?;
    bytemuck::try_zeroed_vec(len).map_err(|()| refused::<T>(what, shape))
}

/// Room for an array of this shape, or an error where there is no memory for it.
pub(crate) fn reserved<T>(what: &'static str, shape: &[usize]) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let len = checked_len::<T>(what, shape)?;
    values.try_reserve_exact(len).map_err(|_| refused::<T>(what, shape))?;
    Ok(values)
}

/// Values of an array of this shape, or an error where the memory cannot hold it.
fn checked_len<T>(what: &'static str, shape: &[usize]) -> Result<usize> {
    check::<T>(what, shape)?;
    let len = shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n));
    len.ok_or_else(|| refused::<T>(what, shape))
}

fn refused<T>(what: &'static str, shape: &[usize]) -> Error {
    let required = bytes_of::<T>(shape).unwrap_or(u64::MAX);
    Error::HostMemory { what, required, available: free_bytes() }
}

/// Bytes that this process can still get: of the machine, of its control group and of its address
/// space, whichever is least.
pub(crate) fn free_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    // Other systems count memory that they can free at once as used. There the total is the limit.
    let machine = match cfg!(target_os = "linux") {
        true => system.available_memory().saturating_add(system.free_swap()),
        false => system.total_memory().saturating_add(system.total_swap()),
    };
    // What the group has cached of files can be freed. Its own pages cannot.
    let group = system
        .cgroup_limits()
        .map(|group| group.total_memory.saturating_sub(group.rss).saturating_add(group.free_swap));
    machine.min(group.unwrap_or(u64::MAX)).min(free_addresses().unwrap_or(u64::MAX))
}

/// Bytes of address space that the process's limit leaves; none without a limit.
#[cfg(target_os = "linux")]
pub(crate) fn free_addresses() -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    Some(limit.saturating_sub(pages.saturating_mul(rustix::param::page_size() as u64)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn free_addresses() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_u64_are_no_sizes() {
        assert_eq!(bytes_of::<f32>(&[3, 5]), Some(60));
        assert_eq!(bytes_of::<f32>(&[]), Some(4));
        assert_eq!(bytes_of::<u8>(&[1 << 32, 1 << 31]), Some(1 << 63));
        assert_eq!(bytes_of::<u8>(&[1 << 32, 1 << 32]), None);
        assert_eq!(bytes_of::<f32>(&[usize::MAX]), None);
    }

    #[test]
    fn what_exceeds_the_memory_is_refused_with_both_numbers() {
        for shape in [[1 << 50, 1], [usize::MAX, 3]] {
            let error = zeroed::<f32>("an array", &shape).unwrap_err();
            let Error::HostMemory { required, available, .. } = &error else {
                panic!("{error:?}");
            };
            assert!(*required > 1 << 50 && (1 << 20..1 << 50).contains(available), "{error}");
            assert!(error.to_string().contains(&available.to_string()), "{error}");
        }
        assert_eq!(zeroed::<f32>("an array", &[2, 3]).unwrap(), [0.0; 6]);
    }
}
