//! Bodies of commands: what a stranger can send to a service.
//!
//! Held: what decodes has one canonical encoding, no longer than the optional fields it may have left out; its JSON view
//! carries its name; no error repeats a memo or a text.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use serde::Serialize;
use switchboard_commands::Commands;
use switchboard_commands::bank::Bank;
use switchboard_commands::text::Text;

use crate::secrecy;

/// Fields at the end that may be left out are written as one byte each.
const LEFT_OUT_BYTES_MAX: usize = 4;

/// First byte: the service. The rest: a body.
pub(crate) fn run(bytes: &[u8]) {
    let Some((service, body)) = bytes.split_first() else { return };
    if service.is_multiple_of(2) { command::<Bank>(body) } else { command::<Text>(body) }
}

fn command<S: Commands>(body: &[u8])
where
    S::Command: PartialEq + Debug + Serialize,
{
    if let Some(command) = canonical::<S::Command>(body) {
        let json = serde_json::to_value(&command).expect("every command has a JSON view");
        assert_eq!(json["command"], S::name(&command));
        let _ = S::is_read(&command);
    }
}

/// The value that the bytes begin with, once it is shown to be encoded in one way.
pub(crate) fn canonical<T>(bytes: &[u8]) -> Option<T>
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug + Serialize,
{
    let value: T = match minicbor::decode(bytes) {
        Ok(value) => value,
        Err(error) => {
            secrecy::check(&error, bytes);
            return None;
        }
    };
    let encoded = minicbor::to_vec(&value).expect("encoding into a Vec cannot fail");
    assert!(encoded.len() <= bytes.len() + LEFT_OUT_BYTES_MAX, "{} from {}", encoded.len(), bytes.len());
    let again: T = minicbor::decode(&encoded).expect("what is encoded decodes");
    assert_eq!(again, value);
    assert_eq!(minicbor::to_vec(&again).expect("encoding into a Vec cannot fail"), encoded);
    let text = serde_json::to_string(&value).expect("every value has a JSON view");
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "the JSON view is JSON");
    Some(value)
}
