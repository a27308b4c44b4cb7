//! What the origin promises, and what hyper's idle timeout does.

use std::time::Duration;

use crate::support::link::Link;
use crate::support::server::{LinkConnector, LinkInfo, Server, full};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tower_service::Service;

const OWD: Duration = Duration::from_millis(40);
const T: Duration = Duration::from_secs(2);

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

type Plain = Client<LinkConnector, Full<Bytes>>;

fn client(connector: LinkConnector) -> Plain {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

fn post(id: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri("http://origin.test/path?q")
        .header("x-id", id)
        .body(Full::from("hello"))
        .unwrap()
}

async fn send(
    client: &Plain,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, hyper_util::client::legacy::Error> {
    let (head, body) = client.request(request).await?.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Response::from_parts(head, body))
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_two_round_trips_and_the_next_one() {
    let server = Server::builder().hint("timeout=2").build();
    let client = client(server.connector(Link::new().latency(OWD)));
    let start = Instant::now();
    let response = send(&client, post("a")).await.unwrap();
    assert_eq!(ms(start), 160.0);
    assert_eq!(response.body(), "ok");
    assert_eq!(response.headers()["content-length"], "2");
    assert_eq!(response.headers()["keep-alive"], "timeout=2");
    assert_eq!(
        response.extensions().get::<LinkInfo>(),
        Some(&LinkInfo { connection: 0 })
    );
    send(&client, post("b")).await.unwrap();
    assert_eq!(ms(start), 240.0);
    assert_eq!((server.connections(), server.open()), (1, 1));
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].id.as_deref(), Some("b"));
    assert_eq!(seen[1].path, "/path");
    assert_eq!(seen[1].method, Method::POST);
    assert_eq!((server.times_seen("a"), server.times_seen("c")), (1, 0));
    drop(client);
    server.closed(1).await;
    assert_eq!((server.connections(), server.open()), (1, 0));
    // Client's FIN after its last reference.
    println!("closed at {} ms", ms(start));
}

#[tokio::test(start_paused = true)]
async fn never_means_never_and_hints_on_request() {
    let server = Server::builder().hint("timeout=5").hint_if_asked().build();
    let client = client(server.connector(Link::new()));
    let plain = send(&client, post("a")).await.unwrap();
    assert!(plain.headers().get("keep-alive").is_none());
    let mut asking = post("b");
    asking
        .headers_mut()
        .insert("connection", "foo, Keep-Alive".parse().unwrap());
    let asked = send(&client, asking).await.unwrap();
    assert_eq!(asked.headers()["keep-alive"], "timeout=5");
    sleep(Duration::from_secs(80)).await;
    assert_eq!(server.open(), 1);
    send(&client, post("c")).await.unwrap();
    assert_eq!(server.connections(), 1);
    // legacy pool's own 90 s, with pool_timer.
    sleep(Duration::from_secs(200)).await;
    println!("open after 200 s: {}", server.open());
}

/// The idle timeout starts when the response was written; FIN is seen one latency after its end.
#[tokio::test(start_paused = true)]
async fn the_idle_timeout_runs_from_the_write() {
    for size in [0_usize, 2, 20_000, 400_000, 3_000_000] {
        for (name, link) in [
            ("latency", Link::new().latency(OWD)),
            ("200 KB/s", Link::new().latency(OWD).bandwidth(200_000)),
            (
                "200 KB/s, 64 KiB",
                Link::new().latency(OWD).bandwidth(200_000).buffer(64 << 10),
            ),
        ] {
            let server = Server::builder()
                .idle_timeout(T)
                .handler(move |request| async move {
                    assert!(request.extensions().get::<LinkInfo>().is_some());
                    request.into_body().collect().await.unwrap();
                    Response::new(full(vec![0; size]))
                })
                .build();
            let io = server.connector(link).call("http://a".parse().unwrap());
            let mut io = TokioIo::new(io.await.unwrap());
            let start = Instant::now();
            io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                .await
                .unwrap();
            let watch = {
                let server = server.clone();
                tokio::spawn(async move {
                    server.closed(1).await;
                    ms(start)
                })
            };
            let (mut first, mut last, mut total) = (None, 0.0, 0);
            let mut buf = vec![0; 1 << 16];
            loop {
                let n = io.read(&mut buf).await.unwrap();
                if n == 0 {
                    break;
                }
                total += n;
                first.get_or_insert_with(|| ms(start));
                last = ms(start);
            }
            // Unless the buffer is smaller than the response, the rate changes nothing.
            let closed = watch.await.unwrap();
            if size < 60_000 || !name.ends_with("KiB") {
                assert_eq!(closed, 2040.0);
            }
            println!(
                "body {size:>7}, {name:<16}: first byte {:>6}, last byte {last:>7.0} ({total}), server closed {:>7.0}, FIN {:>7.0} ms",
                first.unwrap(),
                closed,
                ms(start)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn quirks_of_the_idle_timeout() {
    let server = Server::builder().idle_timeout(T).build();
    let mut connector = server.connector(Link::new().latency(OWD));
    // Never used.
    let io = connector.call("http://a".parse().unwrap()).await.unwrap();
    let start = Instant::now();
    let mut io = TokioIo::new(io);
    assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
    println!("never used: FIN {} ms after connecting", ms(start));

    // Half a head.
    let io = connector.call("http://a".parse().unwrap()).await.unwrap();
    let start = Instant::now();
    let mut io = TokioIo::new(io);
    io.write_all(b"GET / HT").await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    io.write_all(b"TP/1.1\r\n").await.unwrap();
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.unwrap();
    println!(
        "half a head: FIN at {} ms, got {:?}",
        ms(start),
        String::from_utf8_lossy(&all)
    );

    // A stray CRLF while idle; does it restart the timer?
    let io = connector.call("http://a".parse().unwrap()).await.unwrap();
    let start = Instant::now();
    let mut io = TokioIo::new(io);
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(1000)).await;
    io.write_all(b"\r\n").await.unwrap();
    io.read_to_end(&mut all).await.unwrap();
    println!("stray CRLF at 1000: FIN at {} ms", ms(start));

    // A handler that takes longer than T, and a request body that does.
    let slow = Server::builder()
        .idle_timeout(T)
        .handler(|_| async {
            sleep(3 * T).await;
            Response::new(full("slow"))
        })
        .build();
    let io = slow
        .connector(Link::new().latency(OWD))
        .call("http://a".parse().unwrap());
    let mut io = TokioIo::new(io.await.unwrap());
    let start = Instant::now();
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    io.read_to_end(&mut all).await.unwrap();
    println!("handler of 6000 ms: FIN at {} ms", ms(start));

    // Early answer, request body still coming.
    let early = Server::builder()
        .idle_timeout(T)
        .handler(|request: Request<hyper::body::Incoming>| async move {
            let body = request.into_body();
            tokio::spawn(async move { body.collect().await });
            Response::new(full("early"))
        })
        .build();
    let io = early
        .connector(Link::new().latency(OWD))
        .call("http://a".parse().unwrap());
    let mut io = TokioIo::new(io.await.unwrap());
    let start = Instant::now();
    io.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        .await
        .unwrap();
    assert!(io.read(&mut [0; 500]).await.unwrap() > 0);
    println!("early answer at {} ms", ms(start));
    sleep(Duration::from_millis(5000)).await;
    io.write_all(b"hello").await.unwrap();
    let sent = ms(start);
    io.read_to_end(&mut all).await.unwrap();
    println!(
        "early answer: body's end sent at {sent}, FIN at {} ms",
        ms(start)
    );
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_stays_open() {
    let server = Server::builder()
        .idle_timeout(T)
        .handler(|mut request| async move {
            tokio::spawn(async move {
                let io = hyper::upgrade::on(&mut request).await.unwrap();
                let mut io = TokioIo::new(io);
                let mut buf = [0; 4];
                io.read_exact(&mut buf).await.unwrap();
                io.write_all(&buf).await.unwrap();
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(full(""))
                .unwrap()
        })
        .build();
    let io = server
        .connector(Link::new().latency(OWD))
        .call("http://a".parse().unwrap());
    let mut io = io.await.unwrap().into_inner();
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut buf = [0; 500];
    let n = io.read(&mut buf).await.unwrap();
    assert!(buf[..n].starts_with(b"HTTP/1.1 101"));
    sleep(3 * T).await;
    assert_eq!(server.open(), 1);
    io.write_all(b"ping").await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), 4);
    server.closed(1).await;
    assert_eq!(server.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_connections() {
    let real = std::time::Instant::now();
    let server = Server::builder().idle_timeout(T).record(false).build();
    let link = Link::new().latency(OWD);
    let start = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..2_000 {
        let client = client(server.connector(link));
        set.spawn(async move {
            send(&client, post("a")).await.unwrap();
            client
        });
    }
    let clients = set.join_all().await;
    assert_eq!(ms(start), 160.0);
    assert_eq!(server.open(), 2_000);
    server.closed(2_000).await;
    assert_eq!(ms(start), 2120.0);
    assert!(server.requests().is_empty());
    println!(
        "{} connections in {:?} of real time",
        clients.len(),
        real.elapsed()
    );
}

/// A request is lost if it is sent within a round trip before the server closes, seen from here.
#[tokio::test(start_paused = true)]
async fn the_window() {
    let mut gaps: Vec<u64> = (1760..=2080).step_by(20).collect();
    gaps.extend([1918, 1919, 1921, 1922, 1960, 1998, 1999, 2001, 2002]);
    gaps.sort();
    for gap in gaps {
        let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
        for _ in 0..20 {
            let server = Server::builder().idle_timeout(T).build();
            let client = client(server.connector(Link::new().latency(OWD)));
            send(&client, post("first")).await.unwrap();
            sleep(Duration::from_millis(gap)).await;
            let outcome = match send(&client, post("second")).await {
                Ok(r) => format!(
                    "ok on connection {}",
                    r.extensions().get::<LinkInfo>().unwrap().connection
                ),
                Err(e) => {
                    let info = e.connect_info().is_some();
                    let mut chain = e.to_string();
                    let mut source = std::error::Error::source(&e);
                    while let Some(s) = source {
                        chain += &format!(": {s}");
                        source = s.source();
                    }
                    format!("FAIL {chain} (connect_info {info})")
                }
            };
            *outcomes
                .entry(format!("{outcome}, seen {}", server.times_seen("second")))
                .or_default() += 1;
        }
        println!("gap {gap}: {outcomes:?}");
        let lost = outcomes.keys().all(|k| k.starts_with("FAIL"));
        let served = outcomes.keys().all(|k| k.starts_with("ok"));
        assert!(if (1921..2000).contains(&gap) {
            lost
        } else {
            served
        });
    }
}
