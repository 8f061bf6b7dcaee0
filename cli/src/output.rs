//! Printing, and checks of output paths before any work is done.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use vecodec::NewFile;
use vecodec::data::Format;

use crate::error::{CliError, Result};

/// Prints aligned lines of a name and a value to stdout.
pub fn table(lines: &[(&str, String)]) -> Result<()> {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    text(&lines.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect::<String>())
}

/// Prints one JSON object to stdout.
pub fn json(object: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(object).map_err(|e| CliError::Other(e.to_string()))?;
    self::text(&(text + "\n"))
}

/// Lays out rows of cells in columns that are aligned to the right.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let column_widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(column_widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Prints text to stdout.
pub fn text(text: &str) -> Result<()> {
    bytes(text.as_bytes())
}

/// Prints bytes to stdout.
pub fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CliError::stdout)
}

/// Whether notes and progress are left out. The command line sets it once, before any work.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out notes and progress, or not.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether notes and progress are left out.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Says what a command did: one JSON object on stdout, or else a note on stderr.
pub fn report(json: bool, note: &str, object: &impl Serialize) -> Result<()> {
    if json {
        return self::json(object);
    }
    self::note(note);
    Ok(())
}

/// Prints one line to stderr, unless notes are left out.
pub fn note(text: &str) {
    if !is_quiet() {
        line(text);
    }
}

/// Prints an error to stderr.
pub fn error(error: &CliError) {
    line(&format!("error: {error}"));
}

/// Prints one line to stderr. Line breaks in the text become spaces.
fn line(text: &str) {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Nothing can be reported when stderr is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Fails if the output cannot be written to its path, or would replace an input.
pub fn check(output: &Path, inputs: &[&Path]) -> Result<()> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let detail = format!("there is no folder {}: create it first", folder.display());
        return Err(CliError::file(output, detail));
    }
    // What the file is begun with asks this again. Here it comes before any work.
    NewFile::check(output)?;
    let Ok(path) = output.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == path)) {
        let detail = "is both input and output, and would be overwritten: pass another output";
        return Err(CliError::file(output, detail));
    }
    Ok(())
}

/// Fails if the path of a model or of codes has the extension of a data file.
pub fn check_name(output: &Path, what: &str) -> Result<()> {
    match Format::of(output) {
        Ok(Format::Safetensors) | Err(_) => Ok(()),
        Ok(format) => {
            let detail = format!("{what} are written as safetensors, not .{format}: rename it");
            Err(CliError::file(output, detail))
        }
    }
}
