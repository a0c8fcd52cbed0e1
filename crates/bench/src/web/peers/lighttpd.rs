//! lighttpd: no log, facts of files cached for a second, sendfile.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Start, first_line};
use crate::child::{self, Stop};

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = first_line(stop, "lighttpd", "-v")?;
    let number = told.split("lighttpd/").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("lighttpd {}", number.with_context(|| format!("no version: {told}"))?))
}

pub(super) fn command(start: &Start<'_>) -> Result<Command> {
    let file = start.folder.join("lighttpd.conf");
    fs::write(&file, configuration(start))?;
    let mut command = child::guarded("lighttpd");
    command.arg("-D").arg("-f").arg(file);
    Ok(command)
}

/// 65,535 requests on a connection is the most that it takes; a larger number is cut to 16 bits.
fn configuration(start: &Start<'_>) -> String {
    let tls = format!(
        "server.modules = (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"{}\"\nssl.privkey = \"{}\"\n",
        start.served.certificate().display(),
        start.served.key().display()
    );
    let tls = if start.is_tls { tls.as_str() } else { "" };
    format!(
        "server.document-root = \"{root}\"
server.bind = \"{address}\"
server.port = {port}
server.errorlog = \"{folder}/error.log\"
server.upload-dirs = (\"{folder}\")
server.max-worker = {workers}
server.max-fds = 16384
server.max-connections = 8000
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 300
server.event-handler = \"linux-sysepoll\"
server.network-backend = \"sendfile\"
server.stat-cache-engine = \"simple\"
server.listen-backlog = 4096
server.tag = \"\"
mimetype.assign = (\".txt\" => \"text/plain\", \"\" => \"application/octet-stream\")
{tls}",
        root = start.served.root().display(),
        address = start.address.ip(),
        port = start.address.port(),
        folder = start.folder.display(),
        workers = start.workers,
    )
}
