//! What became of a request that failed, over the kernel's sockets: the server says what it saw.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use crate::support::client::{exchange, guarded, post};
use crate::tls::{BOTH, Tls};
use http_keepalive::{Extent, KeepAlive, Provenance, RequestOutcome};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// When a request that is neither answered nor failed is given up on: the test then fails.
const WATCHDOG: Duration = Duration::from_secs(60);

/// How the server meets the second request on a connection.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// It reads it, and closes.
    Crash,
    /// It reads a byte of it, and closes: the kernel answers the rest with RST.
    Reset,
    /// It reads it, and writes a part of a response.
    HalfResponse,
}

/// How the server closes over TLS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goodbye {
    CloseNotify,
    Nothing,
}

/// Reads a request of [`post`] to the end.
async fn read(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"hello") {
        request.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// Serves one request, and meets the next with `ending`. Returns what it saw of that.
async fn serve<T>(mut io: T, ending: Ending, goodbye: Goodbye) -> String
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    read(&mut io).await;
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    io.write_all(response.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
    let seen = match ending {
        Ending::Crash => read(&mut io).await,
        Ending::Reset => char::from(io.read_u8().await.unwrap()).to_string(),
        Ending::HalfResponse => {
            let seen = read(&mut io).await;
            io.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")
                .await
                .unwrap();
            io.flush().await.unwrap();
            seen
        }
    };
    if goodbye == Goodbye::CloseNotify {
        // The client may be gone.
        let _ = io.shutdown().await;
    }
    seen
}

/// Makes two requests. Returns the second's error, and what the server saw of it.
async fn outcome(
    tls: Option<&Tls>,
    ending: Ending,
    goodbye: Goodbye,
) -> (Box<dyn Error + Send + Sync>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.map(Tls::acceptor);
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve_with(acceptor, socket, ending, goodbye).await
    });
    let keep_alive = KeepAlive::default();
    let failed = match tls {
        None => {
            let client = guarded(&keep_alive, HttpConnector::new());
            second(&client, &format!("http://{address}/")).await
        }
        Some(tls) => {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls.client.clone())
                .https_only()
                .enable_http1()
                .build();
            let client = guarded(&keep_alive, connector);
            second(&client, &format!("https://{address}/")).await
        }
    };
    (failed, server.await.unwrap())
}

async fn serve_with(
    acceptor: Option<TlsAcceptor>,
    socket: TcpStream,
    ending: Ending,
    goodbye: Goodbye,
) -> String {
    match acceptor {
        None => serve(socket, ending, goodbye).await,
        Some(acceptor) => serve(acceptor.accept(socket).await.unwrap(), ending, goodbye).await,
    }
}

async fn second(
    client: &impl crate::support::client::HttpClient,
    uri: &str,
) -> Box<dyn Error + Send + Sync> {
    in_time(exchange(client, post(uri, "first"))).await.unwrap();
    in_time(exchange(client, post(uri, "second")))
        .await
        .unwrap_err()
}

async fn in_time<F: Future>(event: F) -> F::Output {
    tokio::time::timeout(WATCHDOG, event)
        .await
        .expect("it ends")
}

#[tokio::test]
async fn the_outcome_of_a_request_is_what_its_server_saw_over_tcp_and_over_tls() {
    let tls = Tls::new(&["127.0.0.1"], BOTH, &[b"http/1.1"]);
    let transports = [
        (None, Goodbye::Nothing),
        (Some(&tls), Goodbye::CloseNotify),
        (Some(&tls), Goodbye::Nothing),
    ];
    for (tls, goodbye) in transports {
        for ending in [Ending::Crash, Ending::Reset, Ending::HalfResponse] {
            let (error, seen) = outcome(tls, ending, goodbye).await;

            let case = format!("TLS {}, {goodbye:?}, {ending:?}: {error:?}", tls.is_some());
            let provenance = Provenance::of_error(&*error).expect(&case);
            assert!(provenance.is_reused(), "{case}");
            assert_eq!(provenance.written(), Extent::All, "{case}");
            match ending {
                Ending::Crash => assert!(seen.contains("second"), "{case}"),
                Ending::Reset => assert_eq!(seen, "P", "{case}"),
                Ending::HalfResponse => {
                    assert!(seen.contains("second"), "{case}");
                    assert_eq!(provenance.outcome(), RequestOutcome::Interrupted, "{case}");
                    continue;
                }
            }
            assert_eq!(provenance.outcome(), RequestOutcome::Stale, "{case}");
            assert_eq!(provenance.answered(), Extent::Nothing, "{case}");
        }
    }
}
