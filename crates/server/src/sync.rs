//! Where [`super::mailbox`] and [`super::admission`] take their locks from. Their tests compile the same files
//! once more under a parent whose `sync` is a schedule explorer's, so a primitive that is missing here is one
//! that is not explored.

pub(crate) use std::sync::{Mutex, MutexGuard};
