//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use http::uri::{Scheme, Uri};
use http::{HeaderName, HeaderValue};

use super::target::without_brackets;
use super::{FAILED, say};

/// Measures how long a server keeps idle HTTP/1.1 connections
#[derive(Clone, Debug, Parser)]
#[command(
    name = "http-keepalive-probe",
    version,
    max_term_width = 110,
    // Lines of at most 80 characters.
    after_help = "\
Exit status: 0 it is known what the server does; 1 nothing was found within
--max-wait; 2 it closes sooner than it says, or than --at-least; 3 no exchange
was possible, or the arguments are wrong. Ctrl-C ends it with what is known."
)]
pub(super) struct Args {
    /// What to request, such as `https://example.org/health`
    #[arg(required = true, value_name = "URL")]
    pub(super) urls: Vec<String>,

    /// Longest idle time to watch for
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "130")]
    pub(super) max_wait: Duration,

    /// Fail if idle connections are closed sooner
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) at_least: Option<Duration>,

    /// Also send requests on connections that were idle
    #[arg(long)]
    pub(super) active: bool,

    /// Also send up to N requests on one connection, twice
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(super) requests: Option<u32>,

    /// Open at most N at once to a host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) connections: u32,

    /// GET, HEAD or OPTIONS
    #[arg(long, value_enum, default_value_t = Method::Get, ignore_case = true, hide_possible_values = true)]
    pub(super) method: Method,

    /// A field for all requests, `Name: value`
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,

    /// Do not verify a certificate's chain and name
    #[arg(short = 'k', long)]
    pub(super) insecure: bool,

    /// Connect to that address: HOST:PORT:ADDRESS
    #[arg(long, value_name = "RULE", value_parser = resolve)]
    pub(super) resolve: Vec<Resolve>,

    /// Connect through this proxy, http://host:port
    #[arg(long, value_name = "URL", value_parser = proxy, conflicts_with_all = ["unix_socket", "resolve"])]
    pub(super) http_proxy: Option<Uri>,

    /// Connect to this Unix socket
    #[arg(long, value_name = "PATH", conflicts_with = "resolve")]
    pub(super) unix_socket: Option<PathBuf>,

    /// Draw the timeline of all connections, as an SVG
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,

    /// Print JSON, as the crate's guide describes it
    #[arg(long, conflicts_with = "prometheus")]
    pub(super) json: bool,

    /// Print Prometheus's text format
    #[arg(long)]
    pub(super) prometheus: bool,
}

/// Methods that may be sent again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(super) enum Method {
    Get,
    Head,
    Options,
}

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

/// Where to connect to instead of what the name resolves to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Resolve {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) address: IpAddr,
}

/// Reads the command line. What is wrong with it is printed in one line.
pub(super) fn read() -> Result<Args, ExitCode> {
    parse(std::env::args_os()).map_err(|error| {
        if !error.use_stderr() {
            // Help, or the version.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.render().to_string();
        // The first paragraph says what is wrong, what follows how to call the program.
        let lines = text.lines().take_while(|line| !line.trim().is_empty());
        let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        say(&format!("{line} (see --help)"));
        ExitCode::from(FAILED)
    })
}

fn parse(arguments: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Args, clap::Error> {
    let args = Args::try_parse_from(arguments)?;
    if let Some(at_least) = args.at_least.filter(|at_least| *at_least > args.max_wait) {
        let text = format!(
            "expected --max-wait of at least {at_least:?}, as --at-least is, not {:?}",
            args.max_wait
        );
        return Err(Args::command().error(ErrorKind::ValueValidation, text));
    }
    Ok(args)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = "expected seconds, more than 0 and at most 86400, such as 0.5 or 65";
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds: f64 = number.parse().map_err(|_| expected)?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| expected)?;
    // Less than a nanosecond is nothing.
    if time.is_zero() || time > Duration::from_secs(86_400) {
        return Err(expected.to_owned());
    }
    Ok(time)
}

/// Fields that the probe sets itself, or that would make a body of what follows.
const RESERVED: [HeaderName; 4] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = "expected `Name: value`";
    let (name, value) = text.split_once(':').ok_or(expected)?;
    let name: HeaderName = name.trim().parse().map_err(|_| expected)?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| expected)?;
    if RESERVED.contains(&name) {
        return Err(format!("the probe decides on `{name}` itself"));
    }
    Ok((name, value))
}

fn resolve(text: &str) -> Result<Resolve, String> {
    let expected = "expected HOST:PORT:ADDRESS, such as example.org:443:192.0.2.1";
    // The host is an IPv6 address in brackets, or has no colon.
    let end = match text.strip_prefix('[') {
        Some(_) => text.find(']').and_then(|end| end.checked_add(1)),
        None => text.find(':'),
    };
    let (host, rest) = end
        .and_then(|end| text.split_at_checked(end))
        .ok_or(expected)?;
    let (port, address) = rest
        .strip_prefix(':')
        .and_then(|rest| rest.split_once(':'))
        .ok_or(expected)?;
    Ok(Resolve {
        host: without_brackets(host).to_ascii_lowercase(),
        port: port.parse().map_err(|_| expected)?,
        address: without_brackets(address).parse().map_err(|_| expected)?,
    })
}

fn proxy(text: &str) -> Result<Uri, String> {
    let expected = "expected http://host:port";
    let proxy: Uri = text.parse().map_err(|_| expected)?;
    let is_plain = proxy.scheme() == Some(&Scheme::HTTP) && proxy.host().is_some();
    let names_user = proxy
        .authority()
        .is_some_and(|name| name.as_str().contains('@'));
    if !is_plain || names_user {
        return Err(expected.to_owned());
    }
    Ok(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        super::parse([&["probe"], arguments].concat())
    }

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_fits_on_a_screen() {
        for width in [80, 110] {
            let help = Args::command().term_width(width).render_help().to_string();
            assert!(help.lines().count() <= 32, "{help}");
            assert!(help.lines().all(|line| line.len() <= width), "{help}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for arguments in [
            &[][..],
            &["http://a/", "--max-wait", "0"],
            &["http://a/", "--max-wait", "inf"],
            &["http://a/", "--max-wait", "nan"],
            &["http://a/", "--max-wait", "-1"],
            &["http://a/", "--max-wait", "1e-12"],
            &["http://a/", "--max-wait", "86401"],
            &["http://a/", "--max-wait", "5sss"],
            &["http://a/", "--max-wait", "s"],
            &["http://a/", "--requests", "1"],
            &["http://a/", "--connections", "0"],
            &["http://a/", "--method", "POST"],
            &["http://a/", "-H", "no colon"],
            &["http://a/", "-H", "A: b\r\nC: d"],
            &["http://a/", "-H", "Connection: close"],
            &["http://a/", "--resolve", "a:80"],
            &["http://a/", "--resolve", "a:80:b"],
            &["http://a/", "--resolve", "[::1"],
            &["http://a/", "--resolve", "[::1]"],
            &["http://a/", "--resolve", "[::1]:80"],
            &["http://a/", "--resolve", "[::1]80:192.0.2.1"],
            &["http://a/", "--resolve", "a:80:[[::1]]"],
            &["http://a/", "--http-proxy", "https://b/"],
            &["http://a/", "--http-proxy", "http://u:p@b/"],
            &["http://a/", "--json", "--prometheus"],
            &["http://a/", "--at-least", "131"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        let args = parse(&[
            "http://a/",
            "https://b/",
            "--at-least",
            "0.5s",
            "--method",
            "head",
            "-H",
            "Authorization: Bearer x:y",
            "--resolve",
            "a:80:[::1]",
            "--resolve",
            "[2001:DB8::1]:80:2001:db8::2",
        ])
        .unwrap();
        assert_eq!(args.urls.len(), 2);
        assert_eq!(args.at_least, Some(Duration::from_millis(500)));
        assert_eq!(args.method, Method::Head);
        assert_eq!(args.headers[0].1, "Bearer x:y");
        let resolve = |host: &str, address: &str| Resolve {
            host: host.to_owned(),
            port: 80,
            address: address.parse().unwrap(),
        };
        assert_eq!(
            args.resolve,
            [resolve("a", "::1"), resolve("2001:db8::1", "2001:db8::2")]
        );
    }
}
