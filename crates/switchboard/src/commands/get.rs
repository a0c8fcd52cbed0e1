//! `switchboard get`: a file by HTTP, whole or with a word why not. Absent: the fetching itself, which is the HTTP client's.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use switchboard_tls::{Fingerprint, Trust};
use url::Url;

use super::{interrupted, runtime};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::get::{
    self, Begun, Compression, Dialogue, Downgrade, Fetched, Fields, GetError, Head, Method, Place, Wish,
    counted, limits,
};
use crate::screen::{Form, Screen};

/// What is fetched and how.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "switchboard get [OPTIONS] URL\n       switchboard get [OPTIONS] HOST PORT FILE",
    after_help = "With HOST PORT FILE (HOST may carry http:// or https://) status, header fields and body are printed, and redirects are \
    not followed. http_proxy, https_proxy, all_proxy and no_proxy are honoured; a proxy is http:// itself.\n\n\
    Examples:\n  switchboard get localhost 8000 index.html\n  switchboard get -O https://example.org/big.iso\n  \
    switchboard get -C -O https://example.org/big.iso      # goes on with what was left of it\n  \
    switchboard get -I https://example.org/"
)]
pub struct Arguments {
    /// The URL, or host, port and file
    #[arg(value_name = "URL", required = true, num_args = 1..=3)]
    pub target: Vec<String>,
    /// Keeps the file under this name once it is whole; `-` is standard output, whatever the file holds
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Keeps the file in this folder under the last part of the URL
    #[arg(short = 'O', long, conflicts_with = "output")]
    pub remote_name: bool,
    /// Goes on with what an earlier run left (FILE.sb-part), when the file on the server is still the same
    #[arg(short = 'C', long = "continue", conflicts_with = "compressed")]
    pub go_on: bool,
    /// Asks for status and header fields alone, and prints them
    #[arg(short = 'I', long, conflicts_with_all = ["go_on", "output", "remote_name"])]
    pub head: bool,
    /// Prints status and header fields before the body
    #[arg(short, long)]
    pub include: bool,
    /// Sends this header field to the host of the URL and to no other; @FILE reads one from each line of a file
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Lets the file come compressed (zstd, br, gzip) and decodes it
    #[arg(long)]
    pub compressed: bool,
    /// Redirects to follow; 0 follows none
    #[arg(long, value_name = "N", default_value_t = limits::REDIRECTS_DEFAULT,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(limits::REDIRECTS_MAX)))]
    pub max_redirects: u32,
    /// Follows redirects from https to http
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Seconds to wait for a connection
    #[arg(long, value_name = "SECONDS", default_value = limits::CONNECT_DEFAULT_SECONDS, value_parser = some_seconds)]
    pub connect_timeout: Duration,
    /// Seconds to wait for the next byte
    #[arg(long, value_name = "SECONDS", default_value = limits::STALL_DEFAULT_SECONDS, value_parser = some_seconds)]
    pub stall_timeout: Duration,
    /// Least bytes a second, on average over the time of --stall-timeout; 0 takes any
    #[arg(long, value_name = "BYTES", default_value_t = limits::RATE_DEFAULT_BYTES_PER_SECOND)]
    pub min_rate: u64,
    /// Seconds for everything, attempts and pauses included
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub max_time: Option<Duration>,
    /// Attempts beyond the first, where it may fare better: no connection, a broken one, 408, 429, 5xx
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(limits::RETRIES_MAX)))]
    pub retry: u32,
    /// Seconds before the second attempt, doubled each time; a server's Retry-After goes first
    #[arg(long, value_name = "SECONDS", default_value = limits::PAUSE_DEFAULT_SECONDS, value_parser = seconds)]
    pub retry_delay: Duration,
    /// The largest file that is wanted
    #[arg(long, value_name = "BYTES")]
    pub max_size: Option<u64>,
    /// Believes the authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pub cacert: Option<PathBuf>,
    /// Believes the server that holds this key (sha256: and 64 digits), and no other
    #[arg(long, value_name = "FINGERPRINT")]
    pub pin: Option<Fingerprint>,
}

/// Fetches it.
///
/// # Errors
/// When there is no whole answer, or none that is a success.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    let wish = wish(screen, arguments)?;
    let dialogue = dialogue(screen, &wish);
    let runtime = runtime()?;
    let started = now();
    let ended = runtime.block_on(bounded(&wish, &dialogue, arguments.max_time));
    let seconds = started.elapsed();
    // What has arrived is written; a reader of standard output that reads no more is not waited for.
    runtime.shutdown_timeout(limits::WRITING_ENDS_MAX);
    dialogue.finish();
    match ended {
        Ok(fetched) => told(screen, &wish, &fetched, seconds).map(|()| Exit::Done),
        Err(failure) => Err(with_remains(failure, &wish)),
    }
}

async fn bounded(wish: &Wish, dialogue: &Dialogue, max_time: Option<Duration>) -> Result<Fetched, Failure> {
    let interrupted = interrupted();
    let elapsed = async {
        match max_time {
            Some(bound) => tokio::time::sleep(bound).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = get::fetch(wish, dialogue) => Ok(ended?),
        () = interrupted => Err(Failure::new(Exit::Interrupted, "interrupted before the file was whole")),
        () = elapsed => {
            let what = "the file was not whole".to_owned();
            Err(GetError::TimedOut { what, seconds: max_time.unwrap_or_default(), flag: "--max-time" }.into())
        }
    }
}

fn wish(screen: &Screen, arguments: &Arguments) -> Result<Wish, Failure> {
    let (url, is_report) = match arguments.target.as_slice() {
        [url] => (get::url_target(url)?, false),
        [host, port, file] => (get::report_target(host, port, file)?, true),
        _ => {
            let what = "a URL is one argument, and HOST PORT FILE are three";
            return Err(Failure::new(Exit::Usage, what).advise("switchboard get --help shows both"));
        }
    };
    let shows_head = (arguments.include || arguments.head || is_report) && screen.form() == Form::Text;
    let trust = match (&arguments.cacert, arguments.pin) {
        (Some(path), _) => Trust::CaFile(path.clone()),
        (None, Some(pin)) => Trust::Pin(pin),
        (None, None) => Trust::SystemRoots,
    };
    Ok(Wish {
        place: place(screen, arguments, &url)?,
        url,
        method: if arguments.head { Method::Head } else { Method::Get },
        fields: Fields::read(&arguments.headers)?,
        begun: if arguments.go_on { Begun::GoneOnWith } else { Begun::Dropped },
        head: if shows_head { Head::Shown } else { Head::Hidden },
        compression: if arguments.compressed { Compression::Asked } else { Compression::Declined },
        trust,
        redirects_max: if is_report { 0 } else { arguments.max_redirects },
        downgrade: if arguments.allow_downgrade { Downgrade::Allowed } else { Downgrade::Refused },
        retries: arguments.retry,
        first_pause: arguments.retry_delay,
        connect_timeout: arguments.connect_timeout,
        stall_timeout: arguments.stall_timeout,
        bytes_per_second_min: arguments.min_rate,
        bytes_max: arguments.max_size,
    })
}

fn place(screen: &Screen, arguments: &Arguments, url: &Url) -> Result<Place, GetError> {
    let is_output = arguments.output.as_deref() == Some(Path::new("-"));
    Ok(match (&arguments.output, screen.form()) {
        (Some(_), Form::Text) if is_output => Place::Output,
        (Some(path), Form::Text | Form::Json) if !is_output => Place::File(path.clone()),
        (_, Form::Text | Form::Json) if arguments.remote_name => Place::File(get::remote_name(url)?.into()),
        // The one document on standard output is the answer.
        (_, Form::Json) => Place::Nowhere,
        (_, Form::Text) if std::io::stdout().is_terminal() => Place::Terminal,
        (_, Form::Text) => Place::Output,
    })
}

fn dialogue(screen: &Screen, wish: &Wish) -> Dialogue {
    if screen.is_verbose() {
        return Dialogue::told();
    }
    let to_terminal =
        matches!(wish.place, Place::Terminal | Place::Output) && std::io::stdout().is_terminal();
    let is_quiet = screen.form() == Form::Json || to_terminal || wish.method == Method::Head;
    if is_quiet {
        return Dialogue::with_bar(ProgressBar::hidden());
    }
    let template = "[{bar:30}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> ");
    // Hidden by itself where standard error is no terminal.
    Dialogue::with_bar(ProgressBar::new(0).with_style(style))
}

fn told(screen: &Screen, wish: &Wish, fetched: &Fetched, took: Duration) -> Result<(), Failure> {
    match (screen.form(), &fetched.file) {
        (Form::Json, _) => screen.line(&as_json(fetched, took).to_string()),
        (Form::Text, Some(file)) => screen.line(&format!(
            "wrote {}: {}",
            crate::screen::harmless(&file.display().to_string()),
            counted(fetched.bytes)
        )),
        (Form::Text, None) if matches!(wish.place, Place::File(_)) => {
            screen.notice(&format!("{}: no file was written", fetched.status));
            Ok(())
        }
        (Form::Text, None) => Ok(()),
    }
}

fn as_json(fetched: &Fetched, took: Duration) -> serde_json::Value {
    let mut headers = serde_json::Map::new();
    for name in fetched.fields.keys() {
        let values = fetched.fields.get_all(name).iter();
        let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        headers.insert(name.to_string(), texts.collect());
    }
    json!({
        "url": fetched.url.as_str(),
        "status": fetched.status.as_u16(),
        "headers": headers,
        "bytes": fetched.bytes,
        "seconds": took.as_secs_f64(),
        "sha256": fetched.sha256,
        "file": fetched.file.as_ref().map(|file| file.display().to_string()),
    })
}

/// Says what is left of a fetch that did not end well, and how to go on.
fn with_remains(failure: Failure, wish: &Wish) -> Failure {
    match get::left_behind(wish) {
        Some(bytes) => {
            let kept = if bytes == 1 { "1 byte is".to_owned() } else { format!("{bytes} bytes are") };
            failure.advise(format!(
                "{kept} kept beside it; the same command with --continue goes on behind that"
            ))
        }
        None => failure,
    }
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text)?;
    if seconds.is_zero() { Err("nothing comes within 0 seconds".to_owned()) } else { Ok(seconds) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("write seconds, such as 2.5, up to {}", limits::WAIT_SECONDS_MAX);
    let seconds: f64 = text.parse().map_err(|_bad| wrong())?;
    let in_bounds = (0.0..=limits::WAIT_SECONDS_MAX).contains(&seconds);
    if in_bounds { Duration::try_from_secs_f64(seconds).map_err(|_bad| wrong()) } else { Err(wrong()) }
}

#[expect(clippy::disallowed_methods, reason = "tells how long it took")]
fn now() -> Instant {
    Instant::now()
}
