//! What is requested, of whom, and how many connections are open at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::run::{items, probe, seconds, steady};
use crate::server::{OK, Server, TIMEOUT, TIMEOUT_SECONDS, request};
use crate::together::together;

together! {
    requests_go_where_they_are_sent:
    fields_are_sent_with_all_requests,
    a_response_to_head_has_no_body,
    a_name_leads_where_it_is_said_to,
    #[cfg(target_os = "linux")]
    addresses_of_a_name_are_measured_each_by_itself,
    #[cfg(target_os = "linux")]
    four_connections_are_open_to_a_host_at_once_at_most,
    #[cfg(target_os = "linux")]
    one_connection_at_once_is_enough,
    #[cfg(unix)]
    a_unix_socket_is_connected_to,
    #[cfg(unix)]
    all_names_behind_a_unix_socket_are_one_host,
    one_url_that_fails_does_not_keep_others_from_being_measured,
}

/// A server that keeps its connections, and the heads of all requests to it.
async fn recording(response: &'static str) -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    let server = Server::tcp(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            while let Some(head) = request(&mut stream).await {
                heads.lock().unwrap().push(head);
                let _ = stream.write_all(response.as_bytes()).await;
            }
        }
    })
    .await;
    (server, seen)
}

async fn fields_are_sent_with_all_requests() {
    let (server, heads) = recording(OK).await;
    let url = format!("{}a?b=c", server.url());
    let run = probe(&[
        &url,
        "--max-wait",
        "0.1",
        "--header",
        "Authorization: Bearer x:y",
        "-H",
        "Host: example.org",
        "--requests",
        "2",
    ])
    .await;

    assert_eq!(run.address()["requests"]["answered"], 2);
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 4);
    for head in heads.iter() {
        let lines: Vec<_> = head.lines().collect();
        assert_eq!(lines[0], "GET /a?b=c HTTP/1.1");
        assert!(lines.contains(&"authorization: Bearer x:y"), "{head}");
        let hosts = lines.iter().filter(|line| line.starts_with("host:"));
        assert_eq!(hosts.collect::<Vec<_>>(), [&"host: example.org"]);
        let agents = lines
            .iter()
            .filter(|line| line.starts_with("user-agent: http-keepalive-probe/"));
        assert_eq!(agents.count(), 1, "{head}");
    }
    let asking = heads.iter().filter(|head| crate::server::asks(head));
    assert_eq!(asking.count(), 1, "only the second connection asks");
}

async fn a_response_to_head_has_no_body() {
    let (server, heads) = recording("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
    let run = probe(&[&server.url(), "--method", "HEAD", "--max-wait", "0.1"]).await;

    assert_eq!(run.address()["response"]["persistent"], true);
    assert_eq!(run.idle().len(), 2);
    assert!(
        heads
            .lock()
            .unwrap()
            .iter()
            .all(|head| head.starts_with("HEAD / HTTP/1.1\r\n"))
    );
}

async fn a_name_leads_where_it_is_said_to() {
    let (server, heads) = recording(OK).await;
    let port = server.port();
    let run = probe(&[
        &format!("http://Example.invalid:{port}/"),
        "--resolve",
        &format!("example.invalid:{port}:127.0.0.1"),
        // Another port of the same host is another matter.
        "--resolve",
        "example.invalid:1:192.0.2.1",
        "--max-wait",
        "0.1",
    ])
    .await;

    assert_eq!(items(&run.target()["addresses"]).len(), 1);
    assert_eq!(run.address()["address"], server.address.to_string());
    assert_eq!(run.address()["response"]["status"], 200);
    let host = format!("\r\nhost: Example.invalid:{port}\r\n");
    assert!(
        heads
            .lock()
            .unwrap()
            .iter()
            .all(|head| head.contains(&host))
    );
}

/// Two sockets with the same port, at addresses of the loopback network.
#[cfg(target_os = "linux")]
async fn same_port<const N: usize>(addresses: [&str; N]) -> [tokio::net::TcpListener; N] {
    use tokio::net::TcpListener;
    loop {
        let first = TcpListener::bind((addresses[0], 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut listeners = vec![first];
        for address in &addresses[1..] {
            listeners.extend(TcpListener::bind((*address, port)).await.ok());
        }
        // Somebody else may have the port at one of them.
        if let Ok(listeners) = listeners.try_into() {
            return listeners;
        }
    }
}

#[cfg(target_os = "linux")]
async fn addresses_of_a_name_are_measured_each_by_itself() {
    let [one, other] = same_port(["127.0.0.1", "127.0.0.2"]).await;
    let port = one.local_addr().unwrap().port();
    let closing_after = |listener, timeout| {
        Server::on(listener, move |mut stream| async move {
            crate::server::answer_until_idle(&mut stream, timeout, |_| OK.to_owned()).await;
        })
    };
    let servers = [
        closing_after(one, TIMEOUT),
        closing_after(other, 3 * TIMEOUT),
    ];
    let arguments = [
        &*format!("http://example.invalid:{port}/"),
        "--resolve",
        &format!("example.invalid:{port}:127.0.0.1"),
        "--resolve",
        &format!("example.invalid:{port}:127.0.0.2"),
    ];
    let timeouts = [TIMEOUT_SECONDS, 3.0 * TIMEOUT_SECONDS];
    let run = steady(&arguments, |run| {
        let addresses = items(&run.target()["addresses"]).iter().zip(timeouts);
        addresses.into_iter().all(|(address, timeout)| {
            let mut idle = items(&address["idle"]).iter();
            idle.all(|idle| (seconds(&idle["idle"]) - timeout).abs() < 0.05)
        })
    })
    .await;

    let addresses = items(&run.target()["addresses"]);
    assert_eq!(addresses.len(), 2);
    for ((address, server), timeout) in addresses.iter().zip(&servers).zip(timeouts) {
        assert_eq!(address["address"], server.address.to_string());
        let found = seconds(&address["timeout"]["seconds"]);
        assert!((found - timeout).abs() < 0.05, "{address}");
    }
    assert_eq!(run.target()["addresses_differ"], true);
    run.concludes("answered");
}

/// How many connections are open, and the most that were so at once.
#[cfg(unix)]
#[derive(Default)]
struct Count {
    open: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[cfg(unix)]
impl Count {
    /// Answers each request on a connection, which is counted.
    async fn answer_all<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) {
        // A connection that was closed before this one was opened ends first: what is known of sockets is read
        // in between.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
        crate::server::answer_all(stream, OK).await;
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A server that never closes, and counts.
#[cfg(target_os = "linux")]
fn counting(listener: tokio::net::TcpListener, count: &Arc<Count>) -> Server {
    let count = Arc::clone(count);
    Server::on(listener, move |mut stream| {
        let count = Arc::clone(&count);
        async move { count.answer_all(&mut stream).await }
    })
}

/// How many connections to three addresses of a host were open at once, and how many at all.
#[cfg(target_os = "linux")]
async fn at_once(arguments: &[&str]) -> (usize, usize) {
    let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let listeners = same_port(addresses).await;
    let port = listeners[0].local_addr().unwrap().port();
    let count = Arc::<Count>::default();
    let _servers = listeners.map(|listener| counting(listener, &count));
    let url = format!("http://example.invalid:{port}/");
    let resolve = addresses.map(|address| format!("--resolve=example.invalid:{port}:{address}"));
    let [one, two, three] = &resolve;
    let run = probe(&[&[&*url, one, two, three], arguments].concat()).await;
    let addresses = items(&run.target()["addresses"]);
    assert!(
        addresses
            .iter()
            .all(|address| address["response"]["status"] == 200),
        "{run:?}"
    );
    let (most, all) = (
        count.most.load(Ordering::Relaxed),
        count.all.load(Ordering::Relaxed),
    );
    assert_eq!(run.target()["connections_opened"], all);
    (most, all)
}

#[cfg(target_os = "linux")]
async fn four_connections_are_open_to_a_host_at_once_at_most() {
    let (most, all) = at_once(&["--max-wait", "2"]).await;

    assert_eq!(all, 6);
    assert!((1..=4).contains(&most), "{most}");
}

#[cfg(target_os = "linux")]
async fn one_connection_at_once_is_enough() {
    let (most, all) =
        at_once(&["--max-wait", "0.3", "--connections", "1", "--requests", "2"]).await;

    assert_eq!(all, 9);
    assert_eq!(most, 1);
}

#[cfg(unix)]
async fn a_unix_socket_is_connected_to() {
    use tokio::net::UnixListener;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let accepting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                crate::server::answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await;
            });
        }
    });
    let path = path.to_str().unwrap();
    let arguments = ["http://example.invalid/", "--unix-socket", path];
    let run = steady(&arguments, |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert_eq!(run.address()["address"], path);
    assert!(run.address()["timeout"]["seconds"].is_number(), "{run:?}");
    run.concludes("answered");
    accepting.abort();

    let run = probe(&[
        "http://example.invalid/",
        "--unix-socket",
        "/nonexistent/socket",
    ])
    .await;
    assert!(run.error().starts_with("not connected: "), "{run:?}");
    run.concludes("failed");
}

#[cfg(unix)]
async fn all_names_behind_a_unix_socket_are_one_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let count = Arc::<Count>::default();
    let counted = Arc::clone(&count);
    let accepting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&counted);
            tokio::spawn(async move { count.answer_all(&mut stream).await });
        }
    });
    let run = probe(&[
        "http://one.invalid/",
        "http://other.invalid/",
        "--unix-socket",
        path.to_str().unwrap(),
        "--max-wait",
        "0.3",
        "--connections",
        "1",
    ])
    .await;
    accepting.abort();

    for target in items(&run.report["targets"]) {
        assert_eq!(target["addresses"][0]["response"]["status"], 200, "{run:?}");
    }
    assert_eq!(count.all.load(Ordering::Relaxed), 4, "{run:?}");
    assert_eq!(count.most.load(Ordering::Relaxed), 1, "{run:?}");
}

async fn one_url_that_fails_does_not_keep_others_from_being_measured() {
    let (closing, silent) = (Server::closing().await, Server::once("").await);
    let (good, bad) = (closing.url(), silent.url());
    let arguments = [&*bad, "no URL", &good];
    let is_steady = |run: &crate::run::Run| {
        let mut idle = items(&run.report["targets"][2]["addresses"][0]["idle"]).iter();
        idle.all(|idle| (seconds(&idle["idle"]) - TIMEOUT_SECONDS).abs() < 0.05)
    };
    let run = steady(&arguments, is_steady).await;

    let targets = items(&run.report["targets"]);
    let urls: Vec<_> = targets.iter().map(|target| &target["url"]).collect();
    assert_eq!(urls, arguments);
    assert!(targets[0]["addresses"][0]["error"].is_string());
    assert!(targets[1]["error"].is_string());
    assert_eq!(targets[1]["addresses"], json!([]));
    assert!(
        targets[2]["addresses"][0]["timeout"]["seconds"].is_number(),
        "{run:?}"
    );
    assert!(targets[2]["error"].is_null());
    run.exits_with(3);
}
