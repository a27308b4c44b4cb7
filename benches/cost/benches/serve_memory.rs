//! What 10 000 idle connections to `axum::serve` take, in bytes on the server's heap: without this crate, and with it.
//!
//! ```text
//! cargo bench -p cost --bench serve_memory
//! ```
//!
//! Each connection has made an exchange, over a pipe in memory. The pipes are counted on both sides, and so cancel out. Sizes
//! are those that were asked of the allocator.

use std::io;

use axum::Router;
use axum::routing::get;
use axum::serve::Listener;
use cost::{is_trial, pairs, paused_runtime};
use http_keepalive::{ServerKeepAlive, ServerPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

fn main() {
    let connections = if is_trial() { 100 } else { 10_000 };
    let bare = memory(connections, |pipes| {
        tokio::spawn(async move { axum::serve(pipes, app()).await });
    });
    let with = memory(connections, |pipes| {
        let keep_alive = ServerKeepAlive::new(ServerPolicy::default()).unwrap();
        tokio::spawn(async move {
            axum::serve(keep_alive.listener(pipes), keep_alive.make_service(app())).await
        });
    });
    let mut table = pairs::table(["server", "bytes each", "on top of bare"]);
    for (server, bytes) in [("bare", bare), ("with this crate", with)] {
        table.add_row([
            server.to_string(),
            format!("{bytes:.0}"),
            format!("{:.0}", bytes - bare),
        ]);
    }
    println!("{connections} idle connections\n{table}");
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "Hello, World!" }))
}

/// Bytes on the heap for each idle connection.
fn memory(connections: usize, serve: impl FnOnce(Pipes)) -> f64 {
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let runtime = paused_runtime();
        let clients = runtime.block_on(async {
            let (sender, accepted) = mpsc::unbounded_channel();
            serve(Pipes { accepted });
            let mut clients = Vec::new();
            for _ in 0..connections {
                let (mut client, server) = tokio::io::duplex(1_024);
                sender.send(server).unwrap();
                client
                    .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    .await
                    .unwrap();
                let mut bytes = [0; 1_024];
                let mut read = 0;
                while !bytes[..read].ends_with(b"World!") {
                    read += client.read(&mut bytes[read..]).await.unwrap();
                }
                clients.push(client);
            }
            (sender, clients)
        });
        kept = Some((runtime, clients));
    });
    drop(kept);
    counted.bytes_current as f64 / connections as f64
}

/// A listener whose connections are pipes.
struct Pipes {
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.accepted.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
