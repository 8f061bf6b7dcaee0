//! Errors of the library as exceptions.

use std::io;

use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use vecodec::{Error, ErrorKind};

/// The exception of an error, which has the same message.
pub(crate) fn exception(error: Error) -> PyErr {
    let message = message(&error);
    if let Error::Io { source, .. } = &error {
        return match source.kind() {
            io::ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
            io::ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
            _ => PyOSError::new_err(message),
        };
    }
    match error.kind() {
        ErrorKind::Cancelled => PyKeyboardInterrupt::new_err(message),
        ErrorKind::Memory => PyMemoryError::new_err(message),
        ErrorKind::File => PyOSError::new_err(message),
        ErrorKind::Device => PyRuntimeError::new_err(message),
        // What the caller passed, and what a later version adds.
        _ => PyValueError::new_err(message),
    }
}

/// The message of an error. The library's remedy is a line of Rust.
pub(crate) fn message(error: &Error) -> String {
    error.to_string().replace("Engine::Cpu", "engine=\"cpu\"")
}

/// Turns errors into exceptions.
pub(crate) trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for vecodec::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(exception)
    }
}
