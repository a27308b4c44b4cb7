//! TLS: how idle connections end, and which protocol is chosen.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::version::TLS12;

use crate::run::{Run, Running, kinds, probe, steady};
use crate::server::{
    OK, Server, TIMEOUT, TIMEOUT_SECONDS, answer_until_idle, request, until_closed,
};
use crate::tls::{BOTH, Tls};
use crate::together::together;

together! {
    tls_is_measured_or_fails_in_one_line:
    a_close_notify_is_seen,
    a_missing_close_notify_is_seen,
    http2_is_seen_where_the_server_chooses_it,
    a_server_without_alpn_does_not_choose_http2,
    a_server_that_refuses_http1_by_alpn_fails,
    a_server_that_speaks_http2_without_alpn_fails,
    a_certificate_is_verified,
    a_certificate_for_another_name_is_refused,
    tls_at_a_plain_url_is_named,
    plain_http_at_an_https_url_is_named,
    a_server_that_closes_in_the_handshake_fails,
    a_server_that_breaks_tls_instead_of_answering_fails,
    a_request_over_tls_names_the_host,
}

const HOST: &str = "127.0.0.1";

/// A server that keeps idle connections for [`TIMEOUT`].
async fn closing(tls: &Tls, with_close_notify: bool) -> Server {
    Server::tls(Arc::clone(&tls.server), move |mut stream| async move {
        let is_open = answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await;
        if is_open && with_close_notify {
            let _ = stream.shutdown().await;
        }
    })
    .await
}

async fn measured(server: &Server) -> Run {
    let arguments = [&*server.url(), "--insecure"];
    let run = steady(&arguments, |run| run.is_closed_after(TIMEOUT_SECONDS)).await;
    assert!(run.address()["timeout"]["seconds"].is_number(), "{run:?}");
    assert_eq!(kinds(&run), ["fin"]);
    run.concludes("answered");
    run
}

async fn a_close_notify_is_seen() {
    let server = closing(&Tls::for_host(HOST), true).await;
    let run = measured(&server).await;

    let tls = &run.address()["tls"];
    assert_eq!(tls["version"], "TLSv1.3");
    assert_eq!(tls["http2"], false);
    assert_eq!(tls["close_notify"], true);
    assert_eq!(run.address()["connections"][0]["purpose"], "alpn");
}

async fn a_missing_close_notify_is_seen() {
    let server = closing(&Tls::new(&[HOST], &[&TLS12], &[b"http/1.1"]), false).await;
    let run = measured(&server).await;

    let tls = &run.address()["tls"];
    assert_eq!(tls["version"], "TLSv1.2");
    assert_eq!(tls["close_notify"], false);
}

async fn http2_is_seen_where_the_server_chooses_it() {
    let server = closing(&Tls::new(&[HOST], BOTH, &[b"h2", b"http/1.1"]), true).await;
    let run = measured(&server).await;

    assert_eq!(run.address()["tls"]["http2"], true);
}

async fn a_server_without_alpn_does_not_choose_http2() {
    let server = closing(&Tls::new(&[HOST], BOTH, &[]), true).await;
    let run = measured(&server).await;

    assert_eq!(run.address()["tls"]["http2"], false);
}

async fn a_server_that_refuses_http1_by_alpn_fails() {
    let server = closing(&Tls::new(&[HOST], BOTH, &[b"h2"]), true).await;
    let run = probe(&[&server.url(), "--insecure"]).await;

    assert_eq!(run.address()["tls"]["http2"], true);
    assert_eq!(
        run.error(),
        "TLS failed: the server refuses HTTP/1.1 (by ALPN)"
    );
    run.concludes("failed");
}

async fn a_server_that_speaks_http2_without_alpn_fails() {
    let tls = Tls::new(&[HOST], BOTH, &[]);
    let server = Server::tls(tls.server, |mut stream| async move {
        // An empty SETTINGS frame.
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        let _ = stream.flush().await;
        until_closed(&mut stream).await;
    })
    .await;
    let run = probe(&[&server.url(), "--insecure"]).await;

    assert_eq!(run.error(), "this is no HTTP/1.1 but HTTP/2");
    run.concludes("failed");
}

async fn a_certificate_is_verified() {
    let tls = Tls::for_host(HOST);
    let server = closing(&tls, true).await;
    let run = probe(&[&server.url()]).await;

    assert!(
        run.error()
            .starts_with("TLS failed: invalid peer certificate"),
        "{run:?}"
    );
    assert!(run.address()["response"].is_null());
    run.concludes("failed");

    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, tls.certificate.pem()).unwrap();
    let roots = roots.to_str().unwrap();
    let run = Running::start(
        &["--json", &server.url(), "--max-wait", "0.1"],
        &[("SSL_CERT_FILE", roots)],
    );
    assert_eq!(run.end().await.address()["response"]["status"], 200);
}

async fn a_certificate_for_another_name_is_refused() {
    let tls = Tls::for_host("example.test");
    let server = closing(&tls, true).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, tls.certificate.pem()).unwrap();
    let run = Running::start(
        &["--json", &server.url()],
        &[("SSL_CERT_FILE", roots.to_str().unwrap())],
    );
    let run = run.end().await;

    assert!(
        run.error()
            .starts_with("TLS failed: invalid peer certificate"),
        "{run:?}"
    );
    assert_eq!(run.error().lines().count(), 1);
    run.concludes("failed");
}

async fn tls_at_a_plain_url_is_named() {
    let tls = Tls::for_host(HOST);
    let server = closing(&tls, true).await;
    let run = probe(&[&format!("http://{}/", server.address)]).await;

    assert_eq!(run.error(), "this is no HTTP but TLS; try https://");
    run.concludes("failed");
}

async fn plain_http_at_an_https_url_is_named() {
    let server = Server::tcp(|mut stream| async move {
        // What a server makes of a ClientHello.
        let mut first = [0; 1];
        let _ = stream.read_exact(&mut first).await;
        let refusal = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(refusal.as_bytes()).await;
        until_closed(&mut stream).await;
    })
    .await;
    let run = probe(&[&format!("https://{}/", server.address), "--insecure"]).await;

    assert_eq!(
        run.error(),
        "TLS failed: the server does not speak it at this port; try http://"
    );
    run.concludes("failed");
}

async fn a_server_that_closes_in_the_handshake_fails() {
    let server = Server::tcp(|mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
    })
    .await;
    let run = probe(&[&format!("https://{}/", server.address), "--insecure"]).await;

    assert!(run.error().starts_with("TLS failed: "), "{run:?}");
    assert_eq!(run.error().lines().count(), 1);
    run.concludes("failed");
}

async fn a_server_that_breaks_tls_instead_of_answering_fails() {
    let tls = Tls::for_host(HOST);
    let server = Server::tls(tls.server, |mut stream| async move {
        request(&mut stream).await;
        // A record that was encrypted by nobody.
        let socket = stream.get_mut().0;
        let _ = socket
            .write_all(b"\x17\x03\x03\x00\x20a record that does not decrypt ...")
            .await;
        until_closed(socket).await;
    })
    .await;
    let run = probe(&[&server.url(), "--insecure"]).await;

    assert!(
        run.error().starts_with("the connection failed ("),
        "{run:?}"
    );
    assert!(run.error().ends_with(") without a response"), "{run:?}");
    assert_eq!(run.error().lines().count(), 1);
    run.concludes("failed");
}

async fn a_request_over_tls_names_the_host() {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let tls = Tls::for_host(HOST);
    let server = Server::tls(tls.server, move |mut stream| {
        let heads = heads.clone();
        async move {
            while let Some(head) = request(&mut stream).await {
                let _ = heads.send(head);
                let _ = stream.write_all(OK.as_bytes()).await;
                let _ = stream.flush().await;
            }
        }
    })
    .await;
    let run = probe(&[&server.url(), "-k", "--max-wait", "0.1"]).await;

    assert_eq!(run.address()["response"]["status"], 200);
    let head = seen.recv().await.unwrap();
    assert!(
        head.contains(&format!("\r\nhost: {}\r\n", server.address)),
        "{head}"
    );
}
