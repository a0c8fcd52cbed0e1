//! What a command line and a file of measurements call by its name: read back from what `Display` writes.
//! Absent: the names.

/// Lets a type with `Display` be parsed and serialised by name; `$all` are the values there are, `$kind` says of what.
macro_rules! by_name {
    ($type:ty, $kind:literal, $all:expr) => {
        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                let names = || $all.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
                let found = $all.iter().find(|one| one.to_string() == name);
                found.copied().ok_or_else(|| {
                    format!(concat!("no ", $kind, " is called {}; there are {}"), name, names())
                })
            }
        }

        impl From<$type> for String {
            fn from(one: $type) -> Self {
                one.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                name.parse()
            }
        }
    };
}

pub(crate) use by_name;
