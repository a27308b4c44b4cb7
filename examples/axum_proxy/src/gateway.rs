//! Requests that the upstream did not answer.

use std::error::Error;
use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Extensions, StatusCode};
use http_keepalive::ConnectionHandle;
use hyper_util::client::legacy;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request got no response of the upstream's.
#[derive(Debug)]
pub enum Refusal {
    /// It names nothing that could be asked for upstream: `CONNECT`, above all.
    NoTarget,
    /// The upstream speaks another protocol from here on, and nobody has asked for that.
    UnaskedUpgrade,
    /// The upstream failed.
    Upstream(BoxError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoTarget => StatusCode::BAD_REQUEST,
            Self::UnaskedUpgrade | Self::Upstream(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// For the log; the client is told none of it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => f.write_str("nothing to ask the upstream for"),
            Self::UnaskedUpgrade => f.write_str("an upgrade that nobody asked for"),
            Self::Upstream(error) => {
                let mut next: Option<&(dyn Error + 'static)> = Some(&**error);
                while let Some(error) = next {
                    write!(f, "{error}")?;
                    next = error.source();
                    f.write_str(if next.is_some() { ": " } else { "" })?;
                }
                write_connection(f, error)
            }
        }
    }
}

/// Says what this crate knows of the connection on which a request failed.
fn write_connection(f: &mut fmt::Formatter<'_>, error: &BoxError) -> fmt::Result {
    let connected = error
        .downcast_ref::<legacy::Error>()
        .and_then(legacy::Error::connect_info);
    let mut extras = Extensions::new();
    if let Some(connected) = connected {
        connected.get_extras(&mut extras);
    }
    let Some(connection) = extras.get::<ConnectionHandle>() else {
        return Ok(());
    };
    let (id, request) = (connection.id(), connection.requests());
    write!(f, ", as request {request} on connection {id}")?;
    match connection.idle_before() {
        Some(idle) if connection.is_reused() => {
            write!(f, ", which had been idle for {:.3} s", idle.as_secs_f64())
        }
        _ => Ok(()),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = Response::new(Body::from(format!("{status}\n")));
        *response.status_mut() = status;
        response
    }
}
