//! nginx: descriptors kept open, no log, a socket for each worker.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Start, first_line};
use crate::child::{self, Stop};

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = first_line(stop, "nginx", "-v")?;
    let number = told.split("nginx/").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("nginx {}", number.with_context(|| format!("no version: {told}"))?))
}

pub(super) fn command(start: &Start<'_>) -> Result<Command> {
    let file = start.folder.join("nginx.conf");
    fs::write(&file, configuration(start))?;
    let mut command = child::guarded("nginx");
    command.arg("-e").arg(start.folder.join("error.log")).arg("-c").arg(file);
    Ok(command)
}

fn configuration(start: &Start<'_>) -> String {
    let (folder, address, workers) = (start.folder.display(), start.address, start.workers);
    let (root, certificate, key) =
        (start.served.root().display(), start.served.certificate(), start.served.key());
    let tls = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:S:10m;",
        certificate.display(),
        key.display()
    );
    let (tls, kind) = if start.is_tls { (tls.as_str(), " ssl http2") } else { ("", "") };
    let user = if xtask::install::is_root() { "user root;" } else { "" };
    format!(
        "worker_processes {workers}; daemon off; pid {folder}/pid; error_log {folder}/error.log error; {user}
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; use epoll; multi_accept on; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; server_tokens off;
  sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_timeout 300; keepalive_requests 100000000;
  open_file_cache max=10000 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1; open_file_cache_errors on;
  log_not_found off; http2_max_concurrent_streams 256;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {tls}
  server {{ listen {address}{kind} backlog=4096 reuseport; root {root}; }}
}}
"
    )
}
