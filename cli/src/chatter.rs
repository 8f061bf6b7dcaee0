//! Keeps what drivers print out of the program's own messages.

/// Runs work that loads a GPU driver, with stderr closed to all that the driver prints, as Mesa's
/// "error: XDG_RUNTIME_DIR is invalid". `VECODEC_DRIVER_MESSAGES` lets it through.
#[cfg(unix)]
pub fn silenced<T>(work: impl FnOnce() -> T) -> T {
    let silence = match std::env::var_os("VECODEC_DRIVER_MESSAGES") {
        Some(_) => None,
        None => Silence::begin(),
    };
    let result = work();
    drop(silence);
    result
}

#[cfg(not(unix))]
pub fn silenced<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// The real stderr, which comes back when this is dropped.
#[cfg(unix)]
struct Silence(std::os::fd::OwnedFd);

#[cfg(unix)]
impl Silence {
    fn begin() -> Option<Self> {
        let null = std::fs::File::options().write(true).open("/dev/null").ok()?;
        let stderr = rustix::io::dup(rustix::stdio::stderr()).ok()?;
        rustix::stdio::dup2_stderr(null).ok()?;
        Some(Self(stderr))
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        let _closed = rustix::stdio::dup2_stderr(&self.0);
    }
}
