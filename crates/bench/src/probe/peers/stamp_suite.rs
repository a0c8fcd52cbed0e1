//! stamp-suite from crates.io: a STAMP reflector, stateless, as it is by default, without a limit on the rate.

use std::net::SocketAddr;
use std::process::Command;

use crate::installed::Crate;

pub(super) const CRATE: Crate = Crate { name: "stamp-suite", version: "1.0.0", program: "stamp-suite" };

pub(super) fn reflect(mut command: Command, address: SocketAddr) -> Command {
    command.args(["--is-reflector", "--max-pps", "0"]);
    command.args(["--local-addr", &address.ip().to_string(), "--local-port", &address.port().to_string()]);
    command
}
