//! Upstreams that give no answer.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode, Uri};
use http_keepalive::KeepAlive;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, HttpConnector};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::ServiceExt;
use tracing::subscriber::DefaultGuard;

use super::{Front, get};
use crate::clients::{guarded, plain};
use crate::support::link::Link;
use crate::support::server::Server;
use crate::support::wire::wires;

/// What this thread writes into the log.
struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    fn watch() -> Self {
        let lines = Arc::default();
        let writer = Writer(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            lines,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_is_bad_gateway(response: &Response<Incoming>, log: &Log, why: &str) {
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let log = log.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains(why), "{log}");
    assert!(log.contains("path=\"/path\""), "{log}");
}

/// A proxy before an upstream that answers its first request so.
fn before_one_that_answers(answer: &'static str) -> Front {
    let (connector, mut ends) = wires(Link::new(), Connected::new);
    tokio::spawn(async move {
        let mut peer = ends.peer().await;
        peer.request().await.unwrap();
        peer.send(answer).await;
        peer.rest().await;
    });
    Front::before(connector)
}

/// On sockets, so in real time.
#[tokio::test]
async fn an_upstream_that_refuses_is_a_502() {
    let log = Log::watch();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody listens there any more.
    drop(listener);
    let client = guarded(&KeepAlive::default(), HttpConnector::new());
    let to_address = client.map_request(move |mut request: Request<Body>| {
        *request.uri_mut() = Uri::try_from(format!("http://{address}/path")).unwrap();
        request
    });

    let response = Front::with(to_address).ask(get("/path")).await;

    assert_is_bad_gateway(&response, &log, "Connection refused");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_speaks_no_http_is_a_502() {
    let log = Log::watch();
    let front = before_one_that_answers("SSH-2.0-server\r\n\r\n");

    let response = front.ask(get("/path")).await;

    assert_is_bad_gateway(&response, &log, "HTTP version");
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_is_told_from_others_in_the_log() {
    let log = Log::watch();
    // It closes sooner than it says.
    let server = Server::builder()
        .hint("timeout=60")
        .idle_timeout(Duration::from_secs(2))
        .build();
    let latency = Duration::from_millis(40);
    let front = Front::before(server.connector(Link::new().latency(latency)));
    let client = plain(front.connector.clone());
    client.clone().oneshot(get("/path")).await.unwrap();
    sleep(Duration::from_millis(1_960)).await;

    let response = client.oneshot(get("/path")).await.unwrap();

    assert_is_bad_gateway(
        &response,
        &log,
        "message completed, as request 2 on connection 0",
    );
    assert!(log.text().contains("idle for 1.96"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_nobody_asked_for_is_a_502() {
    let log = Log::watch();
    let front = before_one_that_answers(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    );

    let response = front.ask(get("/path")).await;

    assert_is_bad_gateway(&response, &log, "nobody asked");
}
