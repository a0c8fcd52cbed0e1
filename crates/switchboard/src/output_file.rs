//! A file that a command writes: looked at before the work begins, put in its place whole or not at all. Absent: its content.

use std::io::Write as _;
use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// Whether a file that exists may be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overwriting {
    /// It stays.
    Refused,
    /// It is replaced.
    Wanted,
}

impl Overwriting {
    /// As the flag `--overwrite` says.
    pub(crate) fn when(wanted: bool) -> Self {
        if wanted { Self::Wanted } else { Self::Refused }
    }
}

/// Minutes of work are not to end in vain.
pub(crate) fn check(path: &Path, overwriting: Overwriting) -> Result<(), Failure> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        let what = format!("there is no folder {} for {}", folder.display(), path.display());
        return Err(Failure::new(Exit::CannotCreate, what).advise("make the folder, or name another one"));
    }
    if path.is_dir() {
        let what = format!("{} is a folder", path.display());
        return Err(Failure::new(Exit::CannotCreate, what).advise("name a file in it"));
    }
    if path.exists() && overwriting == Overwriting::Refused {
        return Err(exists(path));
    }
    Ok(())
}

/// The file is there whole or not at all.
pub(crate) fn write(path: &Path, overwriting: Overwriting, bytes: &[u8]) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(Exit::CannotCreate, format!("cannot write {}", path.display()))
            .because(error)
            .advise("check the folder, its permissions and the room on the disk")
    };
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(path))
        .map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    match overwriting {
        Overwriting::Wanted => file.persist(path).map_err(|error| cannot(error.error))?,
        Overwriting::Refused => file.persist_noclobber(path).map_err(|error| {
            let came_between = error.error.kind() == std::io::ErrorKind::AlreadyExists;
            if came_between { exists(path) } else { cannot(error.error) }
        })?,
    };
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::CannotCreate, format!("{} exists", path.display()))
        .advise("name another file, or add --overwrite to replace it")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}
