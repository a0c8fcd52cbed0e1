//! A password, a token, or a message that holds one: forgotten when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// Text that nobody but the server may see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the wire.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Shows that there is one.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
