//! Stalls on this side: a transport that does not take a request yet, or that breaks as it does, and
//! a runtime that comes late to a connection it has just opened.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::client::{exchange, get, keep_alive, plain, post};
use crate::support::connector::LinkStream;
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};
use http::{Extensions, Uri};
use http_keepalive::{ConnectionHandle, KeepAlivePolicy};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::sleep;
use tower::{Service, ServiceExt};

const URI: &str = "http://server.test/";

/// What the default policy gives a server that says nothing.
const REUSABLE: Duration = Duration::from_millis(4_500);

/// What becomes of writes.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    writes: Writes,
    waiting: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Writes {
    #[default]
    Pass,
    Wait,
    Fail,
}

impl Gate {
    fn set(&self, writes: Writes) {
        let mut state = self.0.lock().unwrap();
        state.writes = writes;
        state.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Whether somebody waits to write.
    fn is_waited_at(&self) -> bool {
        self.0.lock().unwrap().waiting.is_some()
    }

    /// Connects through the gate.
    fn before(
        &self,
        connector: LinkConnector,
    ) -> impl Service<Uri, Response = Gated, Error = io::Error, Future: Send + Unpin>
    + Clone
    + Send
    + Sync
    + 'static {
        let gate = self.clone();
        connector.map_response(move |stream| Gated { stream, gate })
    }
}

#[derive(Debug)]
struct Gated {
    stream: LinkStream,
    gate: Gate,
}

impl Connection for Gated {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        {
            let mut state = self.gate.0.lock().unwrap();
            match state.writes {
                Writes::Pass => {}
                Writes::Fail => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Writes::Wait => {
                    state.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// hyper has taken the request off its queue: to close the connection now would lose it.
#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_written_yet_is_not_lost_at_the_deadline() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = plain(keep_alive.connector(connector));
    exchange(&client, get(URI)).await.unwrap();
    sleep(REUSABLE - Duration::from_millis(100)).await;

    gate.set(Writes::Wait);
    let waiting = tokio::spawn(async move { exchange(&client, post(URI, "waiting")).await });
    sleep(REUSABLE).await;
    assert!(gate.is_waited_at(), "the deadline passes meanwhile");
    gate.set(Writes::Pass);

    waiting.await.unwrap().unwrap();
    assert_eq!(server.times_seen("waiting"), 1);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_written_yet_is_not_lost_when_its_connection_is_retired() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = plain(keep_alive.connector(connector));
    let first = exchange(&client, get(URI)).await.unwrap();
    let connection = first.extensions().get::<ConnectionHandle>().unwrap();

    gate.set(Writes::Wait);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { exchange(&client, post(URI, "waiting")).await }
    });
    sleep(Duration::from_millis(1)).await;
    assert!(gate.is_waited_at());
    connection.retire();
    sleep(Duration::from_millis(1)).await;
    gate.set(Writes::Pass);

    waiting.await.unwrap().unwrap();
    server.closed(1).await;
    assert_eq!(server.times_seen("waiting"), 1);
    assert_eq!(keep_alive.stats().retired.requested, 1);
}

/// The control: closing at the deadline does happen, to a connection that nothing is written on.
#[tokio::test(start_paused = true)]
async fn a_connection_that_nothing_is_written_on_closes_at_the_deadline_though_it_takes_no_writes()
{
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = plain(keep_alive.connector(connector));
    exchange(&client, get(URI)).await.unwrap();
    gate.set(Writes::Wait);

    server.closed(1).await;

    assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_as_it_is_written_was_made_on_a_reused_connection() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = plain(keep_alive.connector(connector));
    exchange(&client, get(URI)).await.unwrap();
    sleep(Duration::from_secs(1)).await;

    gate.set(Writes::Fail);
    let error = exchange(&client, post(URI, "broken")).await.unwrap_err();

    let error: &legacy::Error = error.downcast_ref().unwrap();
    let mut extensions = Extensions::new();
    error.connect_info().unwrap().get_extras(&mut extensions);
    let connection: ConnectionHandle = extensions.remove().unwrap();
    assert!(connection.is_reused());
    assert_eq!(connection.requests(), 2);
    assert_eq!(connection.idle_before(), Some(Duration::from_secs(1)));
    assert_eq!(keep_alive.stats().stale_failures, 1);
}

/// Nobody would send its request again: hyper-util does so only for reused connections.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_come_to_late_serves_the_request_it_was_opened_for() {
    for policy in [
        KeepAlivePolicy::default(),
        KeepAlivePolicy::default().safety_margin(REUSABLE * 2),
        KeepAlivePolicy::default().reuse(false),
    ] {
        let server = Server::builder().build();
        let connector = keep_alive(policy).connector(server.connector(Link::new()));
        // Outside of this crate, so that it has no part in how long connecting took.
        let late = connector.map_future(|connecting| {
            Box::pin(async move {
                let connected = connecting.await;
                sleep(REUSABLE * 3).await;
                connected
            })
        });
        let client = plain(late);

        exchange(&client, post(URI, "late")).await.unwrap();

        assert_eq!(server.times_seen("late"), 1);
    }
}
