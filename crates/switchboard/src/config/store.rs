//! Section `[store]`: how the database keeps its promise. Absent: where it is; that is the data folder.

use switchboard_store::Durability;

use super::value::{Kind, Setting, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    key: "store.unsafe_durability",
    kind: Kind::Flag,
    default: "false",
    meaning: "do without the guarantee that an answer survives a power cut (network file systems, trials)",
}];

/// How the store keeps its promise.
#[derive(Clone, Debug)]
pub struct Store {
    /// How sure a commit must be.
    pub durability: Durability,
}

impl Store {
    pub(super) fn from_values(values: &Values) -> Self {
        let unsafe_durability = values.flag("store.unsafe_durability");
        Self { durability: if unsafe_durability { Durability::Unsafe } else { Durability::Full } }
    }
}
