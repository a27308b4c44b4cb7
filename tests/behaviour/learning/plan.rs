//! How a server ends idle connections.

use std::time::Duration;

/// What some servers say before they close an idle connection.
pub const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
pub const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
pub const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the server ends an idle connection, unless the next request comes before.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Counted from when it wrote the last response. `None` is never.
    pub after: Option<Duration>,
    pub farewell: Farewell,
    /// Whether the request is answered; otherwise the server hangs up.
    pub answers: bool,
}

/// What the client sees of that.
#[derive(Clone, Copy, Debug)]
pub enum Farewell {
    Fin,
    Reset,
    /// Bytes that answer no request, and FIN.
    Bytes(&'static [u8]),
    /// The same without FIN: the server goes on to wait.
    OnlyBytes(&'static [u8]),
    /// Nothing, until the next request is met with RST: a load balancer that has forgotten.
    Silence,
    /// Nothing, whatever is sent: something in between has forgotten, and says so to nobody.
    BlackHole,
}

impl Plan {
    pub fn fin(after: Duration) -> Self {
        Self {
            after: Some(after),
            farewell: Farewell::Fin,
            answers: true,
        }
    }

    /// Hangs up in place of answering.
    pub fn hang_up() -> Self {
        Self {
            answers: false,
            ..Self::never()
        }
    }

    pub fn silence(after: Duration) -> Self {
        Self {
            farewell: Farewell::Silence,
            ..Self::fin(after)
        }
    }

    pub fn black_hole(after: Duration) -> Self {
        Self {
            farewell: Farewell::BlackHole,
            ..Self::fin(after)
        }
    }

    pub fn never() -> Self {
        Self {
            after: None,
            ..Self::fin(Duration::ZERO)
        }
    }
}
