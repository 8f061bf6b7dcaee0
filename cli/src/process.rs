//! How the process ends: on signals, on a panic, and without memory. Whatever happens, the exit status is
//! one that the manual names, and no unfinished file stays.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use crate::error::CliError;
use crate::output;

/// The exit status of everything that goes wrong; clap uses the same for a wrong command line.
const FAILURE: u8 = 2;

/// The exit status where a figure is past its threshold.
const PAST_THRESHOLD: u8 = 3;

/// Where the last panic was, and what it said.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the program, and turns what it ends with into an exit status.
///
/// | end | status |
/// |---|---|
/// | done | 0 |
/// | an error, a fault of the program, no memory | 2 |
/// | a threshold of `check` that is not met | 3 |
/// | signal n | 128 + n |
pub fn run(program: impl FnOnce() -> Result<(), CliError>) -> ExitCode {
    #[cfg(unix)]
    let signals = signals::watch();
    // A panic inside the library, as in a poll of a lost device, is no message to the user.
    panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(program));
    #[cfg(unix)]
    if let Some(status) = signals.and_then(|signals| signals.too_large()) {
        if let Ok(Err(error)) = result {
            output::error(&error);
        }
        return ExitCode::from(status);
    }
    match result {
        Ok(Ok(()) | Err(CliError::Closed)) => return ExitCode::SUCCESS,
        Ok(Err(error @ CliError::Threshold { .. })) => {
            output::error(&error);
            return ExitCode::from(PAST_THRESHOLD);
        }
        Ok(Err(error)) => output::error(&error),
        Err(_) => {
            let message = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
            let message = message.unwrap_or_else(|| "no message".to_owned());
            output::error(&CliError::Other(format!(
                "a fault of vecodec, please report it: {message}"
            )));
        }
    }
    ExitCode::from(FAILURE)
}

#[cfg(unix)]
mod signals {
    use std::os::raw::c_int;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::{io, ptr, thread};

    use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;

    /// Whether a file has met the limit of its size.
    pub struct Watch(Arc<AtomicBool>);

    impl Watch {
        /// The exit status, if a file has met the limit of its size. The write fails as well, so that
        /// the program ends by itself.
        pub fn too_large(&self) -> Option<u8> {
            self.0.load(Ordering::Relaxed).then(|| status(SIGXFSZ))
        }
    }

    fn status(signal: c_int) -> u8 {
        128 + signal as u8
    }

    /// Removes unfinished files on a signal that ends the process. A signal that the parent process
    /// had ignored, as `nohup` does, stays ignored.
    pub fn watch() -> Option<Watch> {
        let ending = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
        let mut signals = Signals::new(ending).ok()?;
        let work = move || {
            if let Some(signal) = signals.forever().next() {
                vecodec::NewFile::remove_unfinished();
                low_level::exit(c_int::from(status(signal)));
            }
        };
        thread::Builder::new().name("signals".into()).spawn(work).ok()?;
        abort_as_error().ok()?;
        let too_large = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGXFSZ, too_large.clone()).ok()?;
        Some(Watch(too_large))
    }

    /// Ends with status 2 and a message where the allocator or a driver aborts the process.
    fn abort_as_error() -> io::Result<()> {
        const MESSAGE: &[u8] =
            b"error: the memory is full: pass smaller files, raise the limit of the \
            address space (ulimit -v), or use --engine cpu\n";
        // While a driver is loaded, stderr itself leads nowhere.
        let stderr = rustix::io::dup(rustix::stdio::stderr())?;
        let handler = move || {
            let _closed = rustix::io::write(&stderr, MESSAGE);
            low_level::exit(c_int::from(super::FAILURE));
        };
        // SAFETY: the handler makes two system calls, and neither allocates nor locks.
        #[expect(unsafe_code, reason = "the allocator reports full memory in no other way")]
        let registered = unsafe { low_level::register(SIGABRT, handler) };
        registered.map(drop)
    }

    fn is_ignored(signal: c_int) -> bool {
        // SAFETY: with no new action the call only fills `old`, of which every bit pattern is valid.
        #[expect(unsafe_code, reason = "no library reads a disposition without changing it")]
        let old = unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            (libc::sigaction(signal, ptr::null(), &mut old) == 0).then_some(old)
        };
        old.is_some_and(|old| old.sa_sigaction == libc::SIG_IGN)
    }
}
