//! The event loops may read the folders that are served, and nothing else: Landlock, on each of their threads.
//!
//! *Promises* that a thread that was confined opens no file outside those folders, makes or changes none, and neither binds
//! nor connects a TCP socket, as far as the kernel knows these rules; how far that is, it says. Descriptors that are open
//! already stay usable, so the access log is written all the same. The thread that makes snapshots may read and write files in
//! the folder for them as well, and make none with a name.
//!
//! A rule is about a folder, not about a name. Where the root is a symbolic link, which a deployment may point elsewhere, the
//! rule is for the folder that holds both the link and what it points to, so that a reload can follow it. *Absent:*
//! confinement of other threads; what leads out of the root within such a folder is refused by `tree::root`.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, PathFdError, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

use rustix::fd::OwnedFd;

use crate::error::Error;
use crate::settings::Site;

/// How far the event loops are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confinement {
    /// Not at all: this kernel has no Landlock, or it is switched off.
    None,
    /// To the rules that this kernel knows.
    Partly,
    /// To all rules.
    Fully,
}

/// The folders that may be read.
#[derive(Debug)]
pub(crate) struct Readable {
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    identity: (u64, u64),
}

/// The newest rules that are asked for; an older kernel keeps those that it knows.
const RULES: ABI = ABI::V5;

impl Readable {
    /// The folders of `sites`.
    ///
    /// # Errors
    /// When one cannot be looked at.
    pub(crate) fn of(sites: &[Site]) -> Result<Self, Error> {
        let folder = |site: &Site| {
            let failed = |source| Error::Root { path: site.root.clone(), source };
            let path = folder_of(&site.root).map_err(failed)?;
            let identity = identity(&path).map_err(failed)?;
            Ok(Folder { path, identity })
        };
        Ok(Self { folders: sites.iter().map(folder).collect::<Result<_, Error>>()? })
    }

    /// Whether a thread that was confined can serve `sites`.
    ///
    /// # Errors
    /// With the first root that it cannot read.
    pub(crate) fn covers(&self, sites: &[Site]) -> Result<(), Error> {
        let is_covered = |root: &Path| {
            let real = root.canonicalize()?;
            let holds = |folder: &Folder| {
                real.starts_with(&folder.path)
                    && identity(&folder.path).is_ok_and(|now| now == folder.identity)
            };
            Ok(self.folders.iter().any(holds))
        };
        for Site { root, .. } in sites {
            let failed = |source: io::Error| Error::Root { path: root.clone(), source };
            if !is_covered(root).map_err(failed)? {
                return Err(Error::RootMoved { path: root.clone() });
            }
        }
        Ok(())
    }

    /// Confines the thread that calls, for good. In `scratch` it may read and write files, and make such as have no name.
    ///
    /// # Errors
    /// When the kernel has room for no more rules, or a folder is gone.
    pub(crate) fn confine_this_thread(&self, scratch: Option<&OwnedFd>) -> io::Result<Confinement> {
        let status = self.restrict(scratch).map_err(io::Error::other)?;
        Ok(match status.ruleset {
            RulesetStatus::NotEnforced => Confinement::None,
            RulesetStatus::PartiallyEnforced => Confinement::Partly,
            RulesetStatus::FullyEnforced => Confinement::Fully,
        })
    }

    fn restrict(&self, scratch: Option<&OwnedFd>) -> Result<RestrictionStatus, Unconfined> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(RULES))?
            .handle_access(AccessNet::from_all(RULES))?
            .create()?;
        for folder in &self.folders {
            let read = AccessFs::ReadFile | AccessFs::ReadDir;
            rules = rules.add_rule(PathBeneath::new(PathFd::new(&folder.path)?, read))?;
        }
        if let Some(folder) = scratch {
            let change = AccessFs::ReadFile | AccessFs::WriteFile;
            rules = rules.add_rule(PathBeneath::new(folder, change))?;
        }
        Ok(rules.restrict_self()?)
    }
}

#[derive(Debug, thiserror::Error)]
enum Unconfined {
    #[error("Landlock")]
    Rules(#[from] RulesetError),
    #[error("Landlock")]
    Folder(#[from] PathFdError),
}

fn folder_of(root: &Path) -> io::Result<PathBuf> {
    let real = root.canonicalize()?;
    let absolute = std::path::absolute(root)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else { return Ok(real) };
    let named = parent.canonicalize()?.join(name);
    // `..` at its end is no link.
    if named == real || root.ends_with("..") {
        return Ok(real);
    }
    let both = named.ancestors().skip(1).find(|folder| real.starts_with(folder));
    // Permission to read everything would be none.
    Ok(both.filter(|folder| folder.parent().is_some()).map_or(real.clone(), Path::to_owned))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|about| (about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;

    use super::*;

    fn readable(root: &Path) -> Readable {
        Readable::of(&[Site::new(root)]).unwrap()
    }

    #[test]
    fn a_confined_thread_opens_nothing_outside_and_changes_nothing_inside() {
        let [root, outside] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [inner, outer] = [root.path().join("a"), outside.path().join("a")];
        [&inner, &outer].iter().for_each(|file| std::fs::write(file, "a").unwrap());
        let folders = readable(root.path());
        let worker = move || {
            let confinement = folders.confine_this_thread(None).unwrap();
            let denied =
                |done: io::Result<()>| done.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            let read = |path: &Path| std::fs::read(path).map(drop);
            let connects = std::net::TcpStream::connect("127.0.0.1:1").map(drop);
            let denials = [read(&outer), std::fs::write(&inner, "b"), std::fs::remove_file(&inner), connects]
                .map(denied);
            (confinement, read(&inner).is_ok(), denials)
        };
        let (confinement, inside, denials) = std::thread::spawn(worker).join().unwrap();
        assert!(inside);
        match confinement {
            Confinement::Fully => assert_eq!(denials, [true; 4]),
            Confinement::Partly => assert_eq!(denials[..3], [true; 3]),
            Confinement::None => assert!(!Path::new("/sys/kernel/security/landlock").exists()),
        }
    }

    #[test]
    fn a_reload_may_follow_a_link_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        ["one", "two", "plain"].iter().for_each(|name| std::fs::create_dir(at(name)).unwrap());
        symlink("one", at("current")).unwrap();
        let linked = readable(&at("current"));
        assert_eq!(linked.folders[0].path, folder.path().canonicalize().unwrap());
        assert!(linked.covers(&[Site::new(at("two"))]).is_ok());
        let plain = readable(&at("plain"));
        assert!(plain.covers(&[Site::new(at("plain"))]).is_ok());
        assert!(matches!(plain.covers(&[Site::new(at("two"))]), Err(Error::RootMoved { .. })));
        std::fs::rename(at("plain"), at("old")).unwrap();
        std::fs::rename(at("one"), at("plain")).unwrap();
        assert!(plain.covers(&[Site::new(at("plain"))]).is_err(), "another folder of the same name");
    }
}
