//! What was found, as `--json` prints it: everything else that is printed is made from this.
//!
//! Times are in seconds. What is not known is `null`. A later version of this form has another [`VERSION`] if a
//! field has gone or changed its meaning, not if one was added.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// The version of this form.
pub(super) const VERSION: u32 = 1;

/// What was found of all URLs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// [`VERSION`].
    pub(super) version: u32,
    /// The program and its version.
    pub(super) program: &'static str,
    /// What was asked for.
    pub(super) options: Options,
    /// In the order of the URLs.
    pub(super) targets: Vec<Target>,
    /// Whether it was interrupted: then all that was known is here.
    pub(super) interrupted: bool,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Options {
    /// For how long an idle connection is watched at most.
    pub(super) max_wait: Seconds,
    /// The least timeout that the server has to have.
    pub(super) at_least: Option<Seconds>,
    /// Whether requests are sent on connections that were idle.
    pub(super) active: bool,
    /// How many requests are sent on one connection to find a limit of them.
    pub(super) requests: Option<u32>,
    /// Whether connections lead to a forward proxy.
    pub(super) http_proxy: bool,
}

/// What was found of one URL.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Target {
    pub(super) url: String,
    /// Why nothing was tried: the host is not known, for example.
    pub(super) error: Option<String>,
    pub(super) addresses: Vec<Address>,
    /// How many connections were opened.
    pub(super) connections_opened: u32,
    /// For how long that took.
    pub(super) elapsed: Seconds,
    /// What follows from all addresses.
    pub(super) outcome: Outcome,
    /// The same, in a sentence.
    pub(super) verdict: String,
    /// Whether the addresses behind the name have different timeouts.
    pub(super) addresses_differ: bool,
}

/// What follows from what was found: it decides the exit status.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is known what the server does. Exit status 0.
    Answered,
    /// Connections stayed open for as long as they were watched, or did not end alike. Exit status 1.
    NothingFound,
    /// The server closes sooner than its hint says, or than it has to. Exit status 2.
    TooShort,
    /// No exchange was possible. Exit status 3.
    Failed,
}

/// What was found of one address.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Address {
    /// The address and port, the path of a Unix socket, or the proxy.
    pub(super) address: String,
    /// Why no exchange was possible.
    pub(super) error: Option<String>,
    /// `None` without TLS.
    pub(super) tls: Option<Tls>,
    /// The first response.
    pub(super) response: Option<Response>,
    /// How long connecting took, without TLS: the least.
    pub(super) connecting: Option<Seconds>,
    /// From when a request was sent to the first byte of its response: the least.
    pub(super) round_trip: Option<Seconds>,
    /// The hint in a response to a request without a `Connection` field.
    pub(super) hint: Option<Hint>,
    /// The hint in a response to a request with `Connection: keep-alive`.
    pub(super) hint_if_asked: Option<Hint>,
    /// Whether the server closes sooner than a hint says.
    pub(super) hint_contradicted: bool,
    /// Whether it closes sooner than `--at-least`.
    pub(super) sooner_than_required: bool,
    /// The server's idle timeout.
    pub(super) timeout: Option<Timeout>,
    /// The longest idle time after which a connection was seen open.
    pub(super) open_after: Option<Seconds>,
    /// How idle connections ended that were only watched.
    pub(super) idle: Vec<IdleEnd>,
    /// With `--active`: requests on connections that had been idle.
    pub(super) active: Vec<ActiveRequest>,
    /// With `--requests`.
    pub(super) requests: Option<Requests>,
    pub(super) slow_reader: Option<SlowReader>,
    /// All connections, in the order in which they were opened.
    pub(super) connections: Vec<Connection>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Tls {
    /// Such as `TLSv1.3`.
    pub(super) version: Option<String>,
    /// Whether the server chooses HTTP/2 if it is offered (by ALPN).
    pub(super) http2: Option<bool>,
    /// Whether the server ends idle connections with a `close_notify`; `None` if none ended in order.
    pub(super) close_notify: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The field `Server`.
    pub(super) server: Option<String>,
    /// The field `Via`: there is a proxy before it.
    pub(super) via: Option<String>,
    /// The field `Location`.
    pub(super) location: Option<String>,
    /// Whether the server keeps the connection after its response.
    pub(super) persistent: bool,
}

/// A `Keep-Alive` field.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Hint {
    pub(super) timeout: Option<Seconds>,
    pub(super) max: Option<u32>,
    /// Whether the server closes sooner than that.
    pub(super) contradicted: bool,
}

/// An idle timeout: two closes agree on it, or three that differ by up to a second. Some servers look at their
/// connections once a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Timeout {
    /// Idle connections are closed after this time.
    pub(super) seconds: Seconds,
    /// The last of those closes.
    pub(super) last: Seconds,
    /// The first connection that was closed was seen open after this time.
    pub(super) open: Seconds,
}

/// How an idle connection ended that was only watched.
#[derive(Clone, Debug, Serialize)]
pub(super) struct IdleEnd {
    /// Which connection: its number in [`Address::connections`], counted from 1.
    pub(super) connection: u32,
    /// For how long it had been idle.
    pub(super) idle: Seconds,
    /// For how long it had been idle when it was last seen open.
    pub(super) open: Seconds,
    pub(super) end: End,
}

/// How a connection ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum End {
    /// The server closed it in order: FIN.
    Fin,
    /// The server aborted it: RST.
    Reset,
    /// The server sent a response that nobody had asked for, such as a 408.
    Response { status: u16 },
    /// The server sent other bytes.
    Bytes,
    /// It failed otherwise.
    Error { text: String },
    /// It was still open when it was watched no longer, and this side closed it.
    Open,
}

/// A request on a connection that had been idle.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ActiveRequest {
    pub(super) connection: u32,
    /// For how long it had been idle before that request.
    pub(super) idle: Seconds,
    pub(super) result: ActiveResult,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ActiveResult {
    Answered {
        status: u16,
    },
    /// There was no answer, as on a connection that was closed.
    Failed {
        end: End,
    },
    /// There was neither an answer nor an error in time: something has forgotten the connection.
    Silence,
    /// The connection had ended before: see [`Address::connections`].
    Closed,
}

/// Whether requests on a connection are limited.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Requests {
    /// How many were answered on a connection.
    pub(super) answered: u32,
    /// How many the server takes on a connection: it ended two behind the same one.
    pub(super) limit: Option<u32>,
    /// Whether the last response said so: by `Connection: close`, or as one of HTTP/1.0.
    pub(super) announced: bool,
}

/// A response that was read late.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct SlowReader {
    /// For how long the response was not read.
    pub(super) unread: Seconds,
    /// After it was read, the connection stayed open for so long.
    pub(super) idle: Seconds,
    /// By how much that is less than the timeout: the server counts from when it wrote.
    pub(super) cut_by: Seconds,
}

/// One connection, for a timeline. Times are since the first connection to its address was begun.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Connection {
    pub(super) purpose: Purpose,
    /// When it was established.
    pub(super) opened: Seconds,
    /// The first of them, and the last.
    pub(super) exchanges: Vec<Exchange>,
    pub(super) ended: Seconds,
    pub(super) end: End,
}

/// What a connection was opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// To see which protocol the server chooses.
    Alpn,
    /// To see when it ends, after a request without a `Connection` field.
    Watch,
    /// The same, after one with `Connection: keep-alive`.
    WatchAsked,
    /// To see whether a request is answered after an idle time.
    Active,
    /// To see how many requests are answered.
    Requests,
    /// To see when it ends if the response is read late.
    SlowReader,
}

/// One exchange.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Exchange {
    /// When its request was sent.
    pub(super) sent: Seconds,
    /// When its response was read to its end; `None` if it was not.
    pub(super) answered: Option<Seconds>,
    pub(super) status: Option<u16>,
}

/// A time in seconds, to the microsecond.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Seconds(pub(super) Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact for more than a thousand years"
        )]
        let seconds = self.0.as_micros() as f64 / 1e6;
        serializer.serialize_f64(seconds)
    }
}

/// What tests of its forms are made from.
#[cfg(test)]
pub(super) mod samples {
    use super::*;

    pub(in super::super) fn options() -> Options {
        Options {
            max_wait: Seconds(Duration::from_secs(130)),
            at_least: None,
            active: false,
            requests: None,
            http_proxy: false,
        }
    }

    pub(in super::super) fn target(verdict: &str, addresses: Vec<Address>) -> Target {
        Target {
            url: "https://example.org/".to_owned(),
            error: None,
            addresses,
            connections_opened: 3,
            elapsed: Seconds(Duration::from_secs(6)),
            outcome: Outcome::Answered,
            verdict: verdict.to_owned(),
            addresses_differ: false,
        }
    }

    pub(in super::super) fn report(targets: Vec<Target>) -> Report {
        Report {
            version: VERSION,
            program: "http-keepalive-probe",
            options: options(),
            targets,
            interrupted: false,
        }
    }
}
