//! The client machine against a model of the server, over links with faults, in virtual time.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the outputs and frames that it looks for")]

mod journalled;
mod pair;
mod rows;
mod rules;
mod schedules;
mod server;

use super::*;

fn command(label: &str) -> NewCall {
    NewCall {
        service: "bank".to_owned(),
        version: 1,
        body: label.as_bytes().to_vec(),
        not_after: None,
        deadline_ms: None,
        secret: false,
        label: label.to_owned(),
    }
}
