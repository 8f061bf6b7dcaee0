//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempPath;

use crate::error::{Error, Result};

/// A file under construction. It takes its name only when it is complete, in place of the file that
/// had the name. A writer that is dropped leaves nothing.
///
/// On Linux the file has no name until then, where the file system can do so: even a process that is
/// killed leaves nothing. Elsewhere it has a temporary name beside the final one.
///
/// Public for the program of this repository, and no part of the library's public face.
pub struct NewFile {
    file: File,
    /// The temporary name, if the file needs one.
    temp: Option<Named>,
    /// The file to replace. Symbolic links are followed, so that they stay.
    target: PathBuf,
    /// As the caller gave it, for errors.
    path: PathBuf,
}

/// Temporary names of this process that are not yet removed or renamed.
static NAMED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn named() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    // No code that can panic runs under the lock.
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary name, in the list for as long as it exists.
struct Named(Option<TempPath>);

impl Named {
    fn new(path: TempPath) -> Self {
        named().push(path.to_path_buf());
        Self(Some(path))
    }

    /// Renames the file, which replaces what has the name.
    fn persist(mut self, target: &Path) -> io::Result<()> {
        let path = self.0.take().expect("a temporary name is there until it is used");
        let listed = path.to_path_buf();
        let renamed = path.persist(target).map_err(|e| e.error);
        named().retain(|other| *other != listed);
        renamed
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let listed = path.to_path_buf();
            // Removes the file.
            drop(path);
            named().retain(|other| *other != listed);
        }
    }
}

impl NewFile {
    /// Begins a file that is to have the name `path`, with the mode of the file that has it.
    ///
    /// # Errors
    /// The folder is not there or not writable; the name belongs to a read-only file, or to something
    /// that is no regular file.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |e| Error::io(path, e);
        let replaced = Self::check(path)?;
        let target = target_of(path).map_err(failed)?;
        let (file, temp) = match unnamed(folder_of(&target)) {
            Some(file) => (file, None),
            None => {
                let (file, path) =
                    builder().tempfile_in(folder_of(&target)).map_err(failed)?.into_parts();
                (file, Some(Named::new(path)))
            }
        };
        if let Some(permissions) = replaced {
            file.set_permissions(permissions).map_err(failed)?;
        }
        Ok(Self { file, temp, target, path: path.to_path_buf() })
    }

    /// Fails where no file can have the name `path`, as [`create`](Self::create) does. Returns the mode
    /// of the file that has it.
    ///
    /// # Errors
    /// The name belongs to a read-only file, or to something that is no regular file.
    pub fn check(path: &Path) -> Result<Option<fs::Permissions>> {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                Err(Error::format(path, "exists and is no regular file: name another"))
            }
            Ok(metadata) if metadata.permissions().readonly() => {
                Err(Error::format(path, "is read-only: make it writable, or name another"))
            }
            Ok(metadata) => Ok(Some(metadata.permissions())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, e)),
        }
    }

    /// The name that the file is to have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the file will be in, symbolic links followed.
    #[cfg(feature = "files")]
    pub(crate) fn folder(&self) -> &Path {
        folder_of(&self.target)
    }

    /// Writes bytes behind what was written last.
    ///
    /// # Errors
    /// The disk is full, or the file gets too large for it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, e))
    }

    /// Writes `bytes` at `offset` from the start of the file.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written =
            self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|e| Error::io(&self.path, e))
    }

    /// Gives the file its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// The disk is full, or the folder is gone.
    pub fn finish(self) -> Result<()> {
        let Self { file, temp, target, path } = self;
        let named = file.sync_all().and_then(|()| match temp {
            Some(temp) => temp.persist(&target),
            None => name(&file, &target),
        });
        named.map_err(|e| Error::io(&path, e))?;
        // The name itself. Where a folder cannot be synced, nothing is lost but this certainty.
        #[cfg(unix)]
        let _unsynced = File::open(folder_of(&target)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Removes the temporary names of this process. For a program that is about to end on a signal.
    pub fn remove_unfinished() {
        for path in named().drain(..) {
            let _gone = fs::remove_file(path);
        }
    }
}

/// The file that a name leads to, symbolic links followed, whether it exists or not.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MAX_LINKS: usize = 40;
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = folder_of(&target).join(link),
            Err(_no_link) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".vecodec-").suffix(".tmp");
    #[cfg(unix)]
    {
        // What the umask leaves of this, as for any new file; the default is 0600.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
}

/// A file without a name in a folder; none where the system or the file system has no such files.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> Option<File> {
    use rustix::fs::OFlags;
    // The file is named through this folder.
    if !Path::new("/proc/self/fd").is_dir() {
        return None;
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, 0o666.into()).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_folder: &Path) -> Option<File> {
    None
}

/// Gives a file without a name the name of `target`.
#[cfg(target_os = "linux")]
fn name(file: &File, target: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD};
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |name: &Path| {
        rustix::fs::linkat(CWD, &open, CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    match link(target) {
        // A link replaces nothing, and a renaming does.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let temp = builder().make_in(folder_of(target), link)?;
            Named::new(temp.into_temp_path()).persist(target)
        }
        linked => linked,
    }
}

#[cfg(not(target_os = "linux"))]
fn name(_file: &File, _target: &Path) -> io::Result<()> {
    unreachable!("every file has a temporary name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = NewFile::create(path)?;
        file.append(bytes)?;
        file.finish()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for bytes in [b"first".as_slice(), b"second, which replaces the first"] {
            let mut file = NewFile::create(&path).unwrap();
            file.append(bytes).unwrap();
            let before = fs::read(&path).ok();
            assert_ne!(before.as_deref(), Some(bytes));
            drop(NewFile::create(&path).unwrap());
            assert_eq!(fs::read(&path).ok(), before, "a dropped writer changes nothing");
            file.write_at(0, &bytes[..1]).unwrap();
            file.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(names(folder.path()), ["file"]);
        }
    }

    #[test]
    fn temporary_names_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let temp = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            Named::new(TempPath::try_from_path(path).unwrap())
        };
        let (dropped, finished) = (temp("dropped"), temp("finished"));
        drop(dropped);
        assert_eq!(names(folder.path()), ["finished"]);
        finished.persist(&folder.path().join("final")).unwrap();
        assert_eq!(names(folder.path()), ["final"]);
        let left = temp("left");
        NewFile::remove_unfinished();
        assert_eq!(names(folder.path()), ["final"]);
        drop(left);
    }

    #[test]
    #[cfg(unix)]
    fn modes_are_kept_links_followed_and_read_only_files_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
        write(&path("file"), b"1").unwrap();
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", path("link")).unwrap();
        symlink(path("link"), path("link to link")).unwrap();
        symlink("new", path("dangling")).unwrap();
        symlink("circle", path("circle")).unwrap();
        write(&path("link to link"), b"2").unwrap();
        write(&path("dangling"), b"3").unwrap();
        assert_eq!((fs::read(path("file")).unwrap(), mode("file")), (b"2".to_vec(), 0o640));
        assert_eq!(fs::read(path("new")).unwrap(), b"3");
        assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
        assert!(write(&path("circle"), b"4").is_err());

        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o444)).unwrap();
        let error = write(&path("link"), b"5").unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        assert_eq!(fs::read(path("file")).unwrap(), b"2");
        let error = write(folder.path(), b"6").unwrap_err();
        assert!(error.to_string().contains("no regular file"), "{error}");
        assert_eq!(names(folder.path()).len(), 6);
    }
}
