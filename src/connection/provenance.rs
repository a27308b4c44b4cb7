//! Where the provenance of a request is found: with its response, or with its error.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use super::client_error::{ClientError, ClientErrorKind};
use super::error::Http1Error;
use super::handle::ConnectionHandle;
use crate::proto::provenance::{Extent, Provenance};

impl Provenance {
    /// Of the request to a response of a [`Client`](crate::Client) or of hyper-util's, also while the body is read, and after it failed. Keep
    /// the response's extensions until then.
    ///
    /// `None` if the response was not received over an [`IdleAwareConnector`](crate::IdleAwareConnector), or
    /// over HTTP/2.
    pub fn of_response<B>(response: &http::Response<B>) -> Option<Self> {
        Self::of_extensions(response.extensions())
    }

    /// As [`of_response`](Self::of_response), from the extensions of the response.
    pub fn of_extensions(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<ConnectionHandle>()?.provenance()
    }

    /// Of a request that failed: from the first error in the chain of sources that is a [`ClientError`], one of hyper-util's
    /// client, or an [`Http1Error`].
    ///
    /// `None` if there is none, if the client gave the request up for another reason than its connection, or if
    /// that was not made by an [`IdleAwareConnector`](crate::IdleAwareConnector), or is HTTP/2.
    pub fn of_error(error: &(dyn Error + 'static)) -> Option<Self> {
        of_error(error).map(|(provenance, _)| provenance)
    }

    /// Of a request on the connection that the handle follows, whose error hyper has returned.
    ///
    /// ```
    /// use http_keepalive::{ConnectionHandle, Provenance};
    ///
    /// # fn fails(connection: &ConnectionHandle, error: &hyper::Error) -> Option<()> {
    /// let provenance = Provenance::of_hyper_error(error, connection)?;
    /// println!("{:?}, on connection {:?}", provenance.outcome(), provenance.connection());
    /// # Some(())
    /// # }
    /// ```
    pub fn of_hyper_error(error: &hyper::Error, connection: &ConnectionHandle) -> Option<Self> {
        // hyper never cancels what it has begun to send.
        if error.is_canceled() {
            return unsent(connection);
        }
        connection.provenance()
    }
}

/// See [`Provenance::of_error`]; and the connection, unless connecting failed.
pub(crate) fn of_error(
    error: &(dyn Error + 'static),
) -> Option<(Provenance, Option<ConnectionHandle>)> {
    if let Some(failed) = find::<Http1Error>(error) {
        let connection = failed.connection();
        let provenance = Provenance::of_hyper_error(failed.hyper(), connection)?;
        return Some((provenance, Some(connection.follow())));
    }
    if let Some(failed) = find::<ClientError>(error) {
        return of_client_error(failed);
    }
    let error: &legacy::Error = find(error)?;
    let Some(connected) = error.connect_info() else {
        return error
            .is_connect()
            .then_some((Provenance::UNCONNECTED, None));
    };
    let mut extensions = http::Extensions::new();
    connected.get_extras(&mut extensions);
    let connection: ConnectionHandle = extensions.remove()?;
    let provenance = match error.source().and_then(|source| source.downcast_ref()) {
        Some(error) => Provenance::of_hyper_error(error, &connection),
        None => connection.provenance(),
    };
    Some((provenance?, Some(connection)))
}

/// Of a request that the connection was given, and nothing of which was sent; `None` if nothing is known of the connection.
fn unsent(connection: &ConnectionHandle) -> Option<Provenance> {
    (!connection.is_opaque()).then(|| Provenance {
        connection: Some(connection.id()),
        request: connection.requests().saturating_add(1),
        idle_before: None,
        written: Extent::Nothing,
        answered: Extent::Nothing,
    })
}

fn of_client_error(error: &ClientError) -> Option<(Provenance, Option<ConnectionHandle>)> {
    if error.is_connect() {
        return Some((Provenance::UNCONNECTED, None));
    }
    let connection = error.connection()?;
    let provenance = match error.kind() {
        ClientErrorKind::Canceled => unsent(connection),
        ClientErrorKind::SendRequest => Provenance::of_hyper_error(error.hyper()?, connection),
        _ => None,
    };
    Some((provenance?, Some(connection.follow())))
}

/// The first error of that type in the chain of sources.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an `io::Error` is that of the error within it, which would be passed over.
        let within = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}
