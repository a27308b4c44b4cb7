//! Kinds of exchange whose cost is measured, over loopback with a server that answers canned bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tower::Layer;

use super::client::{HttpClient, exchange, guarded_legacy, own, plain};
use super::loopback;

/// Exchanges that are made before those that are counted.
const WARM_UP: usize = 400;

/// Which parts of this crate take part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parts {
    /// hyper-util's client as it comes.
    None,
    Connector,
    Layer,
    Both,
    /// This crate's own client.
    Own,
}

/// A kind of exchange.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    /// Length of the request's body. A request with a body is a POST.
    request: usize,
    /// Length of the response's body.
    response: usize,
    sent: Sent,
    /// Whether the server sends a hint whose `max` decreases with each response, as Apache httpd does.
    counts_down: bool,
    /// Number of connections that are used in turn.
    connections: usize,
}

/// How the server sends the body of a response.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// At once, with a `Content-Length`.
    Whole,
    /// With a `Content-Length`, in this many writes.
    InWrites(usize),
    /// At once, in this many chunks.
    InChunks(usize),
}

/// A response of 100 bytes to a GET.
pub const SMALL: Kind = Kind {
    name: "small response",
    request: 0,
    response: 100,
    sent: Sent::Whole,
    counts_down: false,
    connections: 1,
};

/// The same with a hint as Apache httpd sends it.
pub const COUNTED_DOWN: Kind = Kind {
    name: "small response, max= counted down",
    counts_down: true,
    ..SMALL
};

/// All kinds.
pub const KINDS: [Kind; 7] = [
    SMALL,
    COUNTED_DOWN,
    Kind {
        name: "4 KiB response",
        response: 4 << 10,
        ..SMALL
    },
    Kind {
        name: "chunked response",
        response: 500,
        sent: Sent::InChunks(5),
        ..SMALL
    },
    Kind {
        name: "30 KiB response in six reads",
        response: 30 << 10,
        sent: Sent::InWrites(6),
        ..SMALL
    },
    Kind {
        name: "POST of 16 bytes",
        request: 16,
        ..SMALL
    },
    Kind {
        name: "200 connections in turn",
        connections: 200,
        ..SMALL
    },
];

/// Makes exchanges one after another in a thread that client and server share; gives what `count` makes of
/// those after the first ones.
///
/// Before, pieces of memory are taken and some given back, as by a program that has other things to do: the
/// cost of an allocation depends on the state of the heap. Each seed takes other pieces.
pub fn exchanges<R>(
    kind: Kind,
    parts: Parts,
    times: usize,
    seed: u64,
    count: impl FnOnce(&mut dyn FnMut()) -> R,
) -> R {
    let keep_alive = KeepAlive::new(KeepAlivePolicy::default()).unwrap();
    let connector = loopback::connector();
    match parts {
        Parts::None => exchanges_of(kind, || plain(connector.clone()), times, seed, count),
        Parts::Connector => {
            let client = || plain(keep_alive.connector(connector.clone()));
            exchanges_of(kind, client, times, seed, count)
        }
        Parts::Layer => {
            let client = || keep_alive.layer().layer(plain(connector.clone()));
            exchanges_of(kind, client, times, seed, count)
        }
        Parts::Both => {
            let client = || guarded_legacy(&keep_alive, connector.clone());
            exchanges_of(kind, client, times, seed, count)
        }
        Parts::Own => {
            let client = || own(&keep_alive, connector.clone());
            exchanges_of(kind, client, times, seed, count)
        }
    }
}

/// The same with these clients.
pub fn exchanges_of<S: HttpClient, R>(
    kind: Kind,
    client: impl Fn() -> S,
    times: usize,
    seed: u64,
    count: impl FnOnce(&mut dyn FnMut()) -> R,
) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start(kind));
    let mut exchange = repeated(&runtime, &server, client);
    let mut random = XorShiftRng::seed_from_u64(seed);
    let mut kept = Vec::new();
    for _ in 0..WARM_UP {
        exchange(1);
        if kept.len() > 20 && random.random_ratio(1, 2) {
            kept.swap_remove(random.random_range(0..kept.len()));
        } else {
            kept.push(vec![0_u8; random.random_range(16..3_000)]);
        }
    }
    let counted = count(&mut || exchange(times));
    drop(exchange);
    assert_eq!(server.connections(), kind.connections, "{}", kind.name);
    counted
}

/// Makes as many exchanges as it is called with. Each connection is that of a client of its own: one
/// client would use the newest of its connections for all of them.
fn repeated<'a, S: HttpClient + 'a>(
    runtime: &'a Runtime,
    server: &'a Server,
    client: impl Fn() -> S,
) -> Box<dyn FnMut(usize) + 'a> {
    let clients: Vec<S> = (0..server.kind.connections).map(|_| client()).collect();
    let mut turns = (0..clients.len()).cycle();
    Box::new(move |times| {
        runtime.block_on(async {
            for turn in turns.by_ref().take(times) {
                exchange(&clients[turn], server.request()).await.unwrap();
            }
        });
    })
}

/// A server for one kind of exchange. It runs until its runtime ends.
#[derive(Clone, Debug)]
pub struct Server {
    kind: Kind,
    uri: Uri,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts the server on the current runtime.
    pub async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                stream.set_nodelay(true).unwrap();
                tokio::spawn(kind.answer(stream));
            }
        });
        Self {
            kind,
            uri: format!("http://{address}/path").parse().unwrap(),
            connections,
        }
    }

    /// Number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// A request of the server's kind.
    pub fn request(&self) -> Request<Full<Bytes>> {
        static BODY: [u8; 16] = [b'x'; 16];
        let request = match self.kind.request {
            0 => Request::get(self.uri.clone()),
            _ => Request::post(self.uri.clone()),
        };
        let body = Bytes::from_static(&BODY[..self.kind.request]);
        request.body(Full::new(body)).unwrap()
    }
}

impl Kind {
    /// Answers one request after another.
    async fn answer(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut writes = self.response();
        let max_at = writes[0].windows(4).position(|bytes| bytes == b"max=");
        let mut request = [0; 1024];
        let mut filled = 0;
        let mut max: u32 = 999_999;
        loop {
            let read = stream.read(&mut request[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            let head = &request[..filled.saturating_sub(self.request)];
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            filled = 0;
            if let Some(at) = max_at {
                max -= 1;
                writes[0][at + 4..][..6].copy_from_slice(max.to_string().as_bytes());
            }
            for (place, bytes) in writes.iter().enumerate() {
                if place > 0 {
                    // The client reads what has been written.
                    tokio::task::yield_now().await;
                }
                stream.write_all(bytes).await?;
            }
        }
    }

    /// Gives what is written for a response, write by write.
    fn response(self) -> Vec<Vec<u8>> {
        let mut head = String::from(
            "HTTP/1.1 200 OK\r\ndate: Tue, 01 Jan 2030 00:00:00 GMT\r\nserver: canned\r\n",
        );
        if self.counts_down {
            head += "keep-alive: timeout=5, max=999999\r\nconnection: keep-alive\r\n";
        }
        head += "content-type: text/plain\r\n";
        head += &match self.sent {
            Sent::InChunks(_) => String::from("transfer-encoding: chunked\r\n\r\n"),
            _ => format!("content-length: {}\r\n\r\n", self.response),
        };
        let mut first = head.into_bytes();
        let body = vec![b'x'; self.response];
        match self.sent {
            Sent::Whole => first.extend(body),
            Sent::InWrites(writes) => {
                let mut pieces = body.chunks(self.response / writes);
                first.extend(pieces.next().unwrap());
                return [first].into_iter().chain(pieces.map(Vec::from)).collect();
            }
            Sent::InChunks(chunks) => {
                for chunk in body.chunks(self.response / chunks) {
                    first.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    first.extend(chunk);
                    first.extend(b"\r\n");
                }
                first.extend(b"0\r\n\r\n");
            }
        }
        vec![first]
    }
}
