//! What is promised of every transport, with the control beside it.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use http::{Extensions, Uri, Version};
use http_keepalive::{ConnectionHandle, IdleAwareConnector};
use hyper_util::client::legacy::connect::{Connect, Connected, Connection, HttpInfo};
use tower::{Service, ServiceExt};

use crate::client::{exchange, guarded_legacy, plain, post};
use crate::clock::{MARGIN, ManualClock, TIMEOUT};
use crate::errors::find;
use crate::sockets::server::{Ending, Server};

/// What a transport says of itself.
#[derive(Debug, Default, PartialEq)]
pub struct Facts {
    /// Requests name their origin in full, for a proxy.
    pub is_proxied: bool,
    pub is_negotiated_h2: bool,
    /// The address it is connected to, if the transport tells.
    pub remote: Option<std::net::SocketAddr>,
    /// What it is marked with, see [`Mark`].
    pub mark: Option<Mark>,
}

/// An extra that a connector may add of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark(pub Vec<u8>);

impl Facts {
    fn of(connected: &Connected) -> Self {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        Self {
            is_proxied: connected.is_proxied(),
            is_negotiated_h2: connected.is_negotiated_h2(),
            remote: extras.get::<HttpInfo>().map(HttpInfo::remote_addr),
            mark: extras.remove(),
        }
    }
}

/// What hyper-util's client takes for a connection.
pub trait Transport:
    Connection + hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static
{
}

impl<T> Transport for T where
    T: Connection + hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static
{
}

/// A connector that hyper-util's client takes, and this crate too.
pub trait Connector:
    Service<Uri, Response: Transport, Error: Debug> + Connect + Clone + Send + Sync + 'static
{
}

impl<C> Connector for C where
    C: Service<Uri, Response: Transport, Error: Debug> + Connect + Clone + Send + Sync + 'static
{
}

/// Holds a connector for HTTP/1.1 to all that is promised, with requests to `uri`.
///
/// `uri` is what the handle must name the origin of.
pub async fn holds<C>(server: &mut Server, connector: C, uri: &str, facts: Facts)
where
    C: Connector,
    IdleAwareConnector<C>: Connect,
{
    without_this_crate_it_is_used_past_the_deadline(server, connector.clone(), uri).await;
    a_request_that_meets_the_servers_close(server, &connector, uri).await;

    let clock = ManualClock::new();
    let keep_alive = clock.keep_alive();
    let client = guarded_legacy(&keep_alive, connector.clone());

    // Below the deadline: reused.
    let response = exchange(&client, post(uri, "first")).await.unwrap();
    let first = one(&server.connections_of("first"));
    assert_eq!(response.version(), Version::HTTP_11);
    clock.advance(TIMEOUT - MARGIN - Duration::from_nanos(1));
    let response = exchange(&client, post(uri, "in time")).await.unwrap();
    assert_eq!(server.connections_of("in time"), [first], "reused");
    let handle = response.extensions().get::<ConnectionHandle>().unwrap();
    assert_eq!(handle.requests(), 2);
    assert_eq!(
        origin(handle),
        origin_of(uri),
        "the origin it was asked for"
    );
    let told = response.extensions().get::<HttpInfo>();
    assert_eq!(told.map(HttpInfo::remote_addr), facts.remote);
    assert_eq!(response.extensions().get(), facts.mark.as_ref());

    // Past the deadline, with no timer that has noticed: refused, and sent once, elsewhere.
    clock.suspend(TIMEOUT);
    let response = exchange(&client, post(uri, "late")).await;
    let response = response.expect("the request is sent on a new connection");
    let handle = response.extensions().get::<ConnectionHandle>().unwrap();
    assert_eq!(handle.requests(), 1);
    let second = one(&server.connections_of("late"));
    assert_ne!(second, first, "nothing is sent on the old one");
    assert_eq!(server.ending(first).await, Ending::Orderly);

    // At the deadline, without traffic: closed.
    clock.advance(TIMEOUT);
    assert_eq!(server.ending(second).await, Ending::Orderly);

    let stats = keep_alive.stats();
    assert_eq!((stats.opened, stats.exchanges, stats.reused), (2, 3, 1));
    assert_eq!(stats.retired.idle_deadline, 2);
    assert_eq!((stats.stale_failures, stats.opaque.total()), (0, 0));

    extras_and_flags_survive(connector, uri, facts).await;
}

/// Holds a connector to an HTTP/2 server to being left alone.
pub async fn is_left_alone<C>(server: &mut Server, connector: C, uri: &str, facts: Facts)
where
    C: Connector,
    IdleAwareConnector<C>: Connect,
{
    let clock = ManualClock::new();
    let keep_alive = clock.keep_alive();
    let client = guarded_legacy(&keep_alive, connector.clone());
    for _ in 0..3 {
        let response = exchange(&client, post(uri, "id")).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let handle = response.extensions().get::<ConnectionHandle>().unwrap();
        assert_eq!(origin(handle), origin_of(uri));
        clock.suspend(TIMEOUT);
        clock.advance(TIMEOUT);
    }

    let connections = server.connections_of("id");
    assert_eq!(connections, [connections[0]; 3], "one for all");
    let stats = keep_alive.stats();
    assert_eq!((stats.opaque.http2, stats.opaque.total()), (1, 1));
    assert_eq!(stats.retired.total(), 0);

    extras_and_flags_survive(connector, uri, facts).await;
}

/// The control.
async fn without_this_crate_it_is_used_past_the_deadline<C>(
    server: &mut Server,
    connector: C,
    uri: &str,
) where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = plain(connector);
    exchange(&client, post(uri, "plain")).await.unwrap();
    let connection = one(&server.connections_of("plain"));

    // No clock of the test's makes a difference to it: it is used whenever there is a request.
    exchange(&client, post(uri, "plain")).await.unwrap();

    assert_eq!(server.connections_of("plain"), [connection, connection]);
}

/// The race: the server has closed at its timeout, the client has not been told yet, and has a
/// request. Without this crate it is lost. With it, it is sent once, elsewhere.
async fn a_request_that_meets_the_servers_close<C>(server: &mut Server, connector: &C, uri: &str)
where
    C: Connector,
    IdleAwareConnector<C>: Connect,
{
    let client = plain(connector.clone());
    exchange(&client, post(uri, "before")).await.unwrap();
    let connection = one(&server.connections_of("before"));
    server.close(connection).await;
    let failed = exchange(&client, post(uri, "lost")).await.unwrap_err();
    assert!(is_stale(&*failed), "{failed:?}");
    assert!(
        server.connections_of("lost").is_empty(),
        "nobody has seen it"
    );

    let clock = ManualClock::new();
    let keep_alive = clock.keep_alive();
    let client = guarded_legacy(&keep_alive, connector.clone());
    exchange(&client, post(uri, "before it")).await.unwrap();
    let connection = one(&server.connections_of("before it"));
    server.close(connection).await;
    // No timer has noticed.
    clock.suspend(TIMEOUT);
    exchange(&client, post(uri, "saved")).await.unwrap();
    assert_ne!(one(&server.connections_of("saved")), connection);
    assert_eq!(keep_alive.stats().stale_failures, 0);
}

/// What a request on a stale connection fails with: which of these it is depends on who notices first.
fn is_stale(failure: &(dyn std::error::Error + 'static)) -> bool {
    let closed = find::<hyper::Error>(failure).is_some_and(hyper::Error::is_incomplete_message);
    let kinds = [
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionReset,
        // TLS, without `close_notify`.
        io::ErrorKind::UnexpectedEof,
    ];
    let cut = find::<io::Error>(failure).is_some_and(|error| kinds.contains(&error.kind()));
    closed || cut
}

/// What the transport says is what the connection in this crate says, and more.
async fn extras_and_flags_survive<C>(connector: C, uri: &str, facts: Facts)
where
    C: Service<Uri, Response: Transport, Error: Debug> + Clone,
{
    let uri: Uri = uri.parse().unwrap();
    let bare = connector.clone().oneshot(uri.clone()).await.unwrap();
    assert_eq!(Facts::of(&bare.connected()), facts, "without this crate");

    let wrapped = ManualClock::new().keep_alive().connector(connector);
    let wrapped = wrapped.oneshot(uri).await.unwrap();
    assert_eq!(Facts::of(&wrapped.connected()), facts, "with it");
}

fn origin(handle: &ConnectionHandle) -> String {
    handle.origin().expect("an origin").to_string()
}

/// Scheme, host and port of a URI.
fn origin_of(uri: &str) -> String {
    let uri: Uri = uri.parse().unwrap();
    let (scheme, authority) = (uri.scheme_str().unwrap(), uri.authority().unwrap());
    format!("{scheme}://{authority}")
}

fn one(connections: &[usize]) -> usize {
    let [connection] = connections else {
        panic!("not one connection: {connections:?}");
    };
    *connection
}
