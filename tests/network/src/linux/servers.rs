//! The servers, and the relay before them.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::process::Child;

use super::host::{CLIENT, SERVER};
use super::process::{Files, Task, spawn, spawn_contained};

/// A server, and the port on which it listens.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub name: &'static str,
    pub port: u16,
}

pub const NGINX: Server = Server {
    name: "nginx",
    port: 8001,
};
pub const HYPER: Server = Server {
    name: "hyper",
    port: 8002,
};
pub const SERVERS: [Server; 2] = [NGINX, HYPER];

/// The path of a response whose body is [`SMALL`].
pub const SMALL_PATH: &str = "/";
pub const SMALL: &str = "hello\n";

/// The path of a response whose body is that long.
pub const LARGE_PATH: &str = "/large";
pub const LARGE: usize = 300_000;

fn large() -> String {
    "x".repeat(LARGE)
}

/// Starts both servers in this thread's network namespace.
pub async fn start(idle_timeout: Duration) -> Result<[Child; 2], String> {
    let hyper = spawn(&Task::Server { idle_timeout })?;
    let configuration = include_str!("nginx.conf")
        .replace("@ADDRESS@", &format!("{SERVER}:{}", NGINX.port))
        .replace("@IDLE@", &idle_timeout.as_millis().to_string());
    let files = Files::from([("nginx.conf", configuration), ("large", large())]);
    let command = ["nginx", "-p", "/tmp", "-c", "nginx.conf", "-e", "stderr"];
    Ok([hyper, spawn_contained(&files, &command).await?])
}

/// Starts a relay to both servers in this thread's network namespace, that of the client.
pub async fn start_relay() -> Result<Child, String> {
    let mut configuration = include_str!("haproxy.cfg").to_owned();
    for Server { name, port } in SERVERS {
        configuration +=
            &format!("\nlisten {name}\n  bind {CLIENT}:{port}\n  server one {SERVER}:{port}\n");
    }
    let files = Files::from([("haproxy.cfg", configuration)]);
    spawn_contained(&files, &["haproxy", "-db", "-f", "/tmp/haproxy.cfg"]).await
}

/// The server on hyper, for ever.
pub async fn serve(idle_timeout: Duration) -> Result<(), String> {
    let address = (Ipv4Addr::UNSPECIFIED, HYPER.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| error.to_string())?;
    let large = Bytes::from(large());
    loop {
        let (connection, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let large = large.clone();
        let service = service_fn(move |request| answer(request, large.clone()));
        // The timer that runs between requests too.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle_timeout)
            .serve_connection(TokioIo::new(connection), service);
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    large: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_large = request.uri().path() == LARGE_PATH;
    // A connection whose request was not read to its end is not kept.
    let _ = request.into_body().collect().await;
    let body = if is_large {
        large
    } else {
        Bytes::from_static(SMALL.as_bytes())
    };
    Ok(Response::new(Full::new(body)))
}
