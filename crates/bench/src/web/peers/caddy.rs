//! Caddy: its file server, no log, no certificates of its own.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Start, first_line};
use crate::child::{self, Stop};

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = first_line(stop, "caddy", "version")?;
    Ok(format!("Caddy {}", told.split_whitespace().next().unwrap_or_default().trim_start_matches('v')))
}

pub(super) fn command(start: &Start<'_>) -> Result<Command> {
    let file = start.folder.join("Caddyfile");
    fs::write(&file, configuration(start))?;
    let mut command = child::guarded("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(variable, start.folder);
    }
    // Threads that run Go code at a time.
    command.env("GOMAXPROCS", start.workers.to_string());
    Ok(command)
}

fn configuration(start: &Start<'_>) -> String {
    let (ip, port) = (start.address.ip(), start.address.port());
    let tls = format!("tls {} {}", start.served.certificate().display(), start.served.key().display());
    let (names, tls) = if start.is_tls {
        (format!("https://{ip}:{port}, https://localhost:{port}"), tls.as_str())
    } else {
        (format!("http://:{port}"), "")
    };
    format!(
        "{{
	admin off
	auto_https off
	default_bind {ip}
	log {{
		level ERROR
	}}
}}
{names} {{
	{tls}
	root * {}
	file_server
}}
",
        start.served.root().display()
    )
}
