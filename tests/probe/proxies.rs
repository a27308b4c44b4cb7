//! Through a proxy.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::run::{probe, steady};
use crate::server::{OK, Server, TIMEOUT, TIMEOUT_SECONDS, answer_until_idle, request};
use crate::tls::Tls;
use crate::together::together;

together! {
    proxies_are_used:
    a_proxy_is_asked_for_whole_urls,
    a_proxy_is_asked_for_tunnels,
    a_proxy_that_refuses_a_tunnel,
    a_proxy_that_is_not_there,
}

/// A proxy that opens tunnels, but not to other ports than `allowed`. With the targets that it was asked for.
async fn tunnels(allowed: u16) -> (Server, Arc<Mutex<Vec<String>>>) {
    let targets = Arc::<Mutex<Vec<String>>>::default();
    let asked = Arc::clone(&targets);
    let proxy = Server::tcp(move |mut stream| {
        let targets = Arc::clone(&targets);
        async move {
            let head = request(&mut stream).await.unwrap();
            let mut words = head.split(' ');
            assert_eq!(words.next(), Some("CONNECT"));
            let target = words.next().unwrap().to_owned();
            let is_allowed = target.ends_with(&format!(":{allowed}"));
            targets.lock().unwrap().push(target);
            if !is_allowed {
                let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(refusal.as_bytes()).await;
                return;
            }
            let mut server = TcpStream::connect(("127.0.0.1", allowed)).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    })
    .await;
    (proxy, asked)
}

async fn a_proxy_is_asked_for_whole_urls() {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    let proxy = Server::tcp(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            let answer = |head: &str| {
                heads.lock().unwrap().push(head.to_owned());
                OK.to_owned()
            };
            answer_until_idle(&mut stream, TIMEOUT, answer).await;
        }
    })
    .await;
    let arguments = [
        "http://example.invalid:8080/a?b",
        "--http-proxy",
        &proxy.url(),
    ];
    let run = steady(&arguments, |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert_eq!(
        run.address()["address"],
        format!("example.invalid:8080 by {}", proxy.address)
    );
    assert!(run.address()["timeout"]["seconds"].is_number(), "{run:?}");
    let verdict = run.target()["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("The proxy before example.invalid:8080 closes "),
        "{verdict}"
    );
    assert_eq!(run.report["options"]["http_proxy"], true);
    for head in seen.lock().unwrap().iter() {
        assert!(
            head.starts_with("GET http://example.invalid:8080/a?b HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\nhost: example.invalid:8080\r\n"),
            "{head}"
        );
    }
    run.concludes("answered");
}

async fn a_proxy_is_asked_for_tunnels() {
    let tls = Tls::for_host("example.invalid");
    let server = Server::tls(tls.server, |mut stream| async move {
        if answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await {
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let (proxy, asked) = tunnels(server.port()).await;
    let url = format!("https://example.invalid:{}/", server.port());
    let arguments = [&*url, "--http-proxy", &proxy.url(), "--insecure"];
    let run = steady(&arguments, |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert!(run.address()["timeout"]["seconds"].is_number(), "{run:?}");
    assert_eq!(run.address()["tls"]["close_notify"], true);
    let verdict = run.target()["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("example.invalid:"), "{verdict}");
    let target = format!("example.invalid:{}", server.port());
    assert!(asked.lock().unwrap().iter().all(|asked| *asked == target));
    run.concludes("answered");
}

async fn a_proxy_that_refuses_a_tunnel() {
    let (proxy, asked) = tunnels(1).await;
    let run = probe(&["https://example.invalid/", "--http-proxy", &proxy.url()]).await;

    assert!(
        run.error().starts_with(&format!("proxy {}: ", proxy.url())),
        "{run:?}"
    );
    assert_eq!(run.error().lines().count(), 1);
    assert_eq!(
        asked.lock().unwrap().first().unwrap(),
        "example.invalid:443"
    );
    run.concludes("failed");
}

async fn a_proxy_that_is_not_there() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = format!("http://{}", socket.local_addr().unwrap());
    for url in ["http://example.invalid/", "https://example.invalid/"] {
        let run = probe(&[url, "--http-proxy", &proxy]).await;

        assert!(run.error().contains("refused"), "{run:?}");
        assert_eq!(run.error().lines().count(), 1);
        run.concludes("failed");
    }
}
