//! Where the rooms that threads share ([`super::role`], [`super::prepare`], [`super::in_hand`]) take their
//! primitives from. Their tests compile the same files once more under a parent whose `sync` is a schedule
//! explorer's, so a primitive that is missing here is one that is not explored.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread;
