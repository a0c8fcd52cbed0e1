//! Files that are whole or absent after a crash, in a folder that one process at a time may change. Absent: what is in them.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::TlsError;

/// Bits of a file mode that say who may do what.
pub(crate) const PERMISSION_BITS: u32 = 0o7777;

/// Makes `folder` (mode 0700) with its parents unless it is there, and refuses one that others may write to: they could
/// put their own key into it.
pub(crate) fn ensure_private_folder(folder: &Path) -> Result<(), TlsError> {
    if !folder.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| failed("make the folder", folder, source))?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
    }
    let metadata = folder.metadata().map_err(|source| failed("examine the folder", folder, source))?;
    match metadata.mode() & PERMISSION_BITS {
        mode if mode & 0o022 != 0 => Err(TlsError::FolderWritableByOthers { path: folder.into(), mode }),
        _ => Ok(()),
    }
}

/// Waits until no other process or thread holds `folder`, and holds it until the returned file is dropped.
pub(crate) fn lock_folder(folder: &Path) -> Result<File, TlsError> {
    let file = File::open(folder).map_err(|source| failed("open the folder", folder, source))?;
    file.lock().map_err(|source| failed("lock the folder", folder, source))?;
    Ok(file)
}

/// Puts `contents` in place of `path` in one step: after a crash the file is the old one or the new one. The caller holds
/// the lock of the folder.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<(), TlsError> {
    let temporary = temporary_path(path);
    match std::fs::remove_file(&temporary) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(failed("remove the unfinished file", &temporary, source));
        }
        Ok(()) | Err(_) => {}
    }
    write_new(&temporary, contents, mode).map_err(|source| failed("write the file", &temporary, source))?;
    std::fs::rename(&temporary, path).map_err(|source| failed("put in place the file", path, source))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The bytes of `path` and what the system says about the very file they came from; `None` when there is no such file.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<(Vec<u8>, Metadata)>, TlsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("open the file", path, source)),
    };
    let metadata = file.metadata().map_err(|source| failed("examine the file", path, source))?;
    Ok(Some((read_open(&file, path, bytes_max)?, metadata)))
}

/// The rest of an open file, refused when it is larger than `bytes_max`.
pub(crate) fn read_open(file: &File, path: &Path, bytes_max: u64) -> Result<Vec<u8>, TlsError> {
    let mut contents = Vec::new();
    let count = file
        .take(bytes_max + 1)
        .read_to_end(&mut contents)
        .map_err(|source| failed("read the file", path, source))?;
    match u64::try_from(count) {
        Ok(count) if count <= bytes_max => Ok(contents),
        Ok(_) | Err(_) => Err(TlsError::FileTooLarge { path: path.into(), bytes_max }),
    }
}

/// The error for an operation that the system refused.
pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> TlsError {
    TlsError::File { action, path: path.into(), source }
}

/// Makes the entries of `folder` survive a crash.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), TlsError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|source| failed("flush to disk the folder", folder, source))
}

fn write_new(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
