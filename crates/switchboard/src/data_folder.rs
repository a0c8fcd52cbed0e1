//! Where the data folder is when nobody says. Absent: its contents; the store knows those.

use std::path::PathBuf;

/// What the environment says about home folders.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl Homes {
    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Self { xdg_data_home: path("XDG_DATA_HOME"), home: path("HOME") }
    }
}

/// The data folder of this user: `$XDG_DATA_HOME/switchboard`, else `~/.local/share/switchboard`, else
/// `/var/lib/switchboard` (a service without a home). Relative paths in the environment count as unset, as the XDG Base
/// Directory Specification demands.
#[must_use]
pub fn default(homes: &Homes) -> PathBuf {
    let usable = |path: &Option<PathBuf>| path.clone().filter(|path| path.is_absolute());
    let of_home = || usable(&homes.home).map(|home| home.join(".local/share"));
    let parent = usable(&homes.xdg_data_home).or_else(of_home).unwrap_or_else(|| PathBuf::from("/var/lib"));
    parent.join("switchboard")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(xdg: Option<&str>, home: Option<&str>, expected: &str) {
        let homes = Homes { xdg_data_home: xdg.map(PathBuf::from), home: home.map(PathBuf::from) };
        assert_eq!(default(&homes), PathBuf::from(expected));
    }

    #[test]
    fn the_first_absolute_home_wins() {
        check(Some("/data"), Some("/home/ada"), "/data/switchboard");
        check(None, Some("/home/ada"), "/home/ada/.local/share/switchboard");
        check(Some("relative"), Some("/home/ada"), "/home/ada/.local/share/switchboard");
        check(None, None, "/var/lib/switchboard");
        check(Some(""), Some(""), "/var/lib/switchboard");
    }
}
