//! The number of a run, kept in a file so that it rises even when the host's clock is set back between two runs. Absent: the
//! number without a file; that is the wall clock's.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use switchboard_probe::udp::Clock;

use crate::exit::Exit;
use crate::failure::Failure;

/// Octets of the file that are read; a number is shorter.
const FILE_BYTES_MAX: u64 = 64;

/// The next number, already kept: a run that is killed at once has used it.
pub(super) fn next(file: &Path) -> Result<u64, Failure> {
    let shown = file.display();
    let last = match contents(file) {
        Ok(text) => text.trim().parse::<u64>().map_err(|_| {
            Failure::new(Exit::Input, format!("{shown} holds no number of a run"))
                .advise("remove the file if this host's clock is right")
        })?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => {
            return Err(Failure::new(Exit::InputOutput, format!("cannot read {shown}")).because(error));
        }
    };
    let next = Clock::new().wall().nanos().max(last.saturating_add(1));
    keep(file, next).map_err(|error| {
        Failure::new(Exit::CannotCreate, format!("cannot keep the number of this run in {shown}"))
            .because(error)
            .advise("name a file in a folder that this user may write to")
    })?;
    Ok(next)
}

/// Of an ordinary file alone: a device would never end, a pipe never begin, and neither may be replaced.
fn contents(file: &Path) -> std::io::Result<String> {
    if !fs::metadata(file)?.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    let mut text = String::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn keep(file: &Path, number: u64) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(new, "{number}")?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_whatever_the_clock_shows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("epoch");
        let first = next(&file).unwrap();
        assert!(next(&file).unwrap() > first);
        let far = u64::MAX / 2;
        fs::write(&file, far.to_string()).unwrap();
        assert_eq!(next(&file).unwrap(), far + 1);
        fs::write(&file, "nonsense").unwrap();
        assert_eq!(next(&file).unwrap_err().exit(), Exit::Input);
        fs::write(&file, " ".repeat(1 << 20)).unwrap();
        assert_eq!(next(&file).unwrap_err().exit(), Exit::Input);
    }

    #[test]
    fn what_is_no_ordinary_file_is_neither_read_nor_replaced() {
        for file in ["/dev/zero", "/dev/null", "/tmp"] {
            assert_eq!(next(Path::new(file)).unwrap_err().exit(), Exit::InputOutput, "{file}");
        }
    }
}
