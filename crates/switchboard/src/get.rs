//! The HTTP client of the command line: one file is fetched, whole or with a word why not.
//!
//! ```text
//!   target ─▶ fetch (attempts, redirects) ─▶ exchange (one request, one answer) ─▶ connect (TCP, proxy, TLS)
//!               │                               │
//!               │ retry, redirect (pure)        └─ body ─▶ decode ─▶ sink (part file, standard output, hash)
//! ```
//!
//! *Promises:* what stands under the asked name is a whole answer or what stood there before; a body that ends early is an
//! error; the two parts of a resumed file are of one version; fields and credentials of the person go to the host that was
//! named and to no other. *Absent:* a cache, cookies, any method but GET and HEAD, parallel downloads, HTTP itself (hyper).

mod connect;
mod continuation;
mod decode;
mod dialogue;
mod error;
mod exchange;
mod fetch;
mod fields;
pub mod limits;
mod part;
mod race;
mod rate;
mod redirect;
mod retry;
mod sink;
mod target;
mod wish;

pub use dialogue::Dialogue;
pub use error::{GetError, counted};
pub use fetch::{fetch, left_behind};
pub use fields::Fields;
pub use redirect::Downgrade;
pub use target::{remote_name, report_target, url_target};
pub use wish::{Begun, Compression, Fetched, Head, Place, Wish};

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The whole answer.
    Get,
    /// Its status and header fields alone.
    Head,
}
