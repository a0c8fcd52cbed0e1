//! Golden files: every command, reply and refusal with its CBOR and its JSON view. A file that changes is
//! an encoding that changes: clients in other languages and recorded answers depend on it.

use std::fmt::{Debug, Write};

use minicbor::{Decode, Encode};
use serde::Serialize;

/// The text of a golden file under way.
#[derive(Default)]
pub(crate) struct Golden(String);

impl Golden {
    /// Adds a value after showing that its CBOR decodes to it again, and to nothing when it is cut.
    pub(crate) fn add<T>(&mut self, what: &str, value: &T)
    where
        T: Encode<()> + for<'b> Decode<'b, ()> + Serialize + PartialEq + Debug,
    {
        let bytes = minicbor::to_vec(value).unwrap();
        assert_eq!(&minicbor::decode::<T>(&bytes).unwrap(), value);
        for cut in 0..bytes.len() {
            assert!(minicbor::decode::<T>(&bytes[..cut]).is_err(), "{what} cut to {cut} bytes: {value:?}");
        }
        let cbor: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let json = serde_json::to_string(value).unwrap();
        writeln!(self.0, "{what}\n  cbor {cbor}\n  json {json}").unwrap();
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The tag of the JSON view: the value of its first member.
pub(crate) fn json_tag(value: &impl Serialize, member: &str) -> String {
    serde_json::to_value(value).unwrap()[member].as_str().unwrap().to_owned()
}
