//! From the user who may listen on port 80 to one who may do little.
//!
//! *Promises* that all threads of the process change together, and that there is no way back: user, group and all further
//! groups, each in its real, effective and saved form. *Absent:* capabilities; giving up user 0 gives them up.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid};

use crate::error::Error;
use crate::settings::Identity;

/// Becomes `identity`.
///
/// # Errors
/// When there is no such user or group, or this user may not become another.
pub(crate) fn become_user(identity: &Identity) -> Result<(), Error> {
    let name = identity.to_string();
    let unknown = || Error::UserUnknown { name: name.clone() };
    let failed = |source: Errno| {
        if source == Errno::EPERM {
            return Error::UserNotPermitted { name: name.clone() };
        }
        Error::User { name: name.clone(), source: source.into() }
    };
    let user = unistd::User::from_name(&identity.user).map_err(failed)?.ok_or_else(unknown)?;
    let (gid, groups) = match &identity.group {
        Some(group) => {
            let group = unistd::Group::from_name(group).map_err(failed)?.ok_or_else(unknown)?;
            (group.gid, vec![group.gid])
        }
        None => {
            let named = CString::new(identity.user.as_str()).map_err(|_| unknown())?;
            (user.gid, unistd::getgrouplist(&named, user.gid).map_err(failed)?)
        }
    };
    if is_already(user.uid, gid) {
        return Ok(());
    }
    // In this order: who is no longer user 0 may not change groups.
    unistd::setgroups(&groups).map_err(failed)?;
    unistd::setresgid(gid, gid, gid).map_err(failed)?;
    unistd::setresuid(user.uid, user.uid, user.uid).map_err(failed)
}

/// Whoever was started as that user has nothing to give up, and could not call `setgroups`.
fn is_already(uid: Uid, gid: Gid) -> bool {
    !uid.is_root()
        && unistd::getresuid().is_ok_and(|now| [now.real, now.effective, now.saved] == [uid; 3])
        && unistd::getresgid().is_ok_and(|now| [now.real, now.effective, now.saved] == [gid; 3])
}
