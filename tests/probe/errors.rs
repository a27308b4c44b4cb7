//! What goes wrong: one line for each error.

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::run::{Run, probe};
use crate::server::{OK, Server, request, until_closed};
use crate::together::together;

together! {
    what_goes_wrong_is_said_in_one_line:
    what_is_no_url_is_refused,
    a_host_that_is_not_known,
    a_port_at_which_nobody_listens,
    a_server_that_speaks_another_protocol,
    a_server_that_changes_to_another_protocol,
    a_server_that_speaks_http2_without_tls,
    a_server_that_closes_without_a_response,
    a_server_that_closes_in_a_response,
    a_server_that_resets_without_a_response,
    a_body_without_end,
    a_body_is_read_up_to_16_mib,
    a_head_without_end,
    one_connection_that_fails_is_not_the_end,
    other_statuses_are_responses_like_any_other,
}

/// Checks that nothing was measured, for this reason.
fn failed(run: &Run, error: &str) {
    assert_eq!(run.error(), error, "{run:?}");
    assert_eq!(run.error().lines().count(), 1);
    run.concludes("failed");
}

async fn what_is_no_url_is_refused() {
    let texts = [
        "",
        "example.org",
        "example.org:80",
        "ftp://example.org/",
        "http://",
        "http://a:/",
        "http://a:99999/",
        "http://user@a/",
        "http://a b/",
        "http://a/\x1b[31m",
        "https://[::1/",
    ];
    join_all(texts.map(|text| async move {
        let run = probe(&[text]).await;
        let error = run.error();
        assert!(error.contains("expected"), "{text}: {error}");
        assert_eq!(error.lines().count(), 1);
        assert!(!error.contains(char::is_control), "{text}: {error:?}");
        assert_eq!(run.target()["url"], text);
        assert_eq!(run.target()["addresses"], json!([]));
        run.concludes("failed");
    }))
    .await;
}

async fn a_host_that_is_not_known() {
    let run = probe(&["http://nonexistent.invalid/"]).await;

    let error = run.error();
    let expected = "no address is known of nonexistent.invalid: ";
    // Some resolvers wait for others that are not there.
    let late = "nonexistent.invalid does not resolve within ";
    assert!(
        error.starts_with(expected) || error.starts_with(late),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    assert_eq!(run.target()["connections_opened"], 0);
    run.concludes("failed");
}

async fn a_port_at_which_nobody_listens() {
    // Bound, so that nobody else listens there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let run = probe(&[&format!("http://{}/", socket.local_addr().unwrap())]).await;

    assert!(run.error().starts_with("not connected: "), "{run:?}");
    assert!(run.error().contains("refused"), "{run:?}");
    assert_eq!(run.error().lines().count(), 1);
    run.concludes("failed");
}

async fn a_server_that_speaks_another_protocol() {
    let server = Server::tcp(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
        until_closed(&mut stream).await;
    })
    .await;

    failed(
        &probe(&[&server.url()]).await,
        "this is no HTTP/1.1 response",
    );
}

async fn a_server_that_changes_to_another_protocol() {
    let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let server = Server::once(response).await;

    failed(
        &probe(&[&server.url()]).await,
        "the server changes to another protocol",
    );
}

async fn a_server_that_speaks_http2_without_tls() {
    let server = Server::tcp(|mut stream| async move {
        // An empty SETTINGS frame.
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        until_closed(&mut stream).await;
    })
    .await;

    failed(
        &probe(&[&server.url()]).await,
        "this is no HTTP/1.1 but HTTP/2",
    );
}

async fn a_server_that_closes_without_a_response() {
    let server = Server::once("").await;

    let expected = "the connection was closed without a response";
    failed(&probe(&[&server.url()]).await, expected);
}

async fn a_server_that_closes_in_a_response() {
    let server = Server::once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc").await;

    let expected = "the connection was closed before the end of the response";
    failed(&probe(&[&server.url()]).await, expected);
}

async fn a_server_that_resets_without_a_response() {
    let server = Server::tcp(|mut stream| async move {
        request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;

    let expected = "the connection was reset without a response";
    failed(&probe(&[&server.url()]).await, expected);
}

async fn a_body_without_end() {
    let server = Server::tcp(|mut stream| async move {
        request(&mut stream).await;
        let mut piece = format!("{:x}\r\n", 64 << 10).into_bytes();
        piece.extend([b'a'; 64 << 10]);
        piece.extend(b"\r\n");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut written = stream.write_all(head.as_bytes()).await;
        while written.is_ok() {
            written = stream.write_all(&piece).await;
        }
    })
    .await;

    let expected = "the response is longer than 16 MiB; choose another URL, or --method HEAD";
    failed(&probe(&[&server.url()]).await, expected);
}

async fn a_body_is_read_up_to_16_mib() {
    join_all([(15, true), (17, false)].map(|(mib, is_read)| async move {
        let length = mib << 20;
        let server = Server::tcp(move |mut stream| async move {
            while request(&mut stream).await.is_some() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&vec![b'a'; length]).await;
            }
        })
        .await;
        let run = probe(&[&server.url(), "--max-wait", "0.1"]).await;
        assert_eq!(
            run.address()["response"]["status"] == 200,
            is_read,
            "{mib}: {run:?}"
        );
        assert_eq!(run.address()["error"].is_null(), is_read, "{mib}: {run:?}");
    }))
    .await;
}

async fn a_head_without_end() {
    let server = Server::tcp(|mut stream| async move {
        request(&mut stream).await;
        let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let field = format!("X-Field: {}\r\n", "a".repeat(1 << 10));
        while written.is_ok() {
            written = stream.write_all(field.as_bytes()).await;
        }
    })
    .await;

    let expected = "the head of the response is longer than 512 KiB";
    failed(&probe(&[&server.url()]).await, expected);
}

/// The first connection is an accident: the second one shows what there is to know.
async fn one_connection_that_fails_is_not_the_end() {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let server = Server::tcp(move |mut stream| {
        let is_first = is_first.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move {
            if !is_first {
                crate::server::answer_all(&mut stream, OK).await;
            }
        }
    })
    .await;
    let run = probe(&[&server.url(), "--max-wait", "0.1"]).await;

    assert!(run.address()["error"].is_null(), "{run:?}");
    assert_eq!(run.address()["response"]["status"], 200);
    assert_eq!(run.target()["connections_opened"], 2);
    run.concludes("nothing_found");
}

async fn other_statuses_are_responses_like_any_other() {
    let responses = [
        (301, "Location: https://example.org/elsewhere\r\n"),
        (401, "WWW-Authenticate: Basic\r\n"),
        (404, "Via: 1.1 proxy\r\n"),
        (503, "Server: unwell\r\n"),
    ];
    join_all(responses.map(|(status, field)| async move {
        let response = format!("HTTP/1.1 {status} Reason\r\n{field}Content-Length: 0\r\n\r\n");
        let server = Server::tcp(move |mut stream| {
            let response = response.clone();
            async move {
                crate::server::answer_all(&mut stream, &response).await;
            }
        })
        .await;
        let run = probe(&[&server.url(), "--max-wait", "0.1"]).await;
        let response = &run.address()["response"];
        assert_eq!(response["status"], status);
        assert_eq!(response["persistent"], true, "{status}");
        let (name, value) = field.trim_end().split_once(": ").unwrap();
        for known in ["server", "via", "location"] {
            let expected = if name.eq_ignore_ascii_case(known) {
                json!(value)
            } else {
                json!(null)
            };
            assert_eq!(response[known], expected, "{status}: {known}");
        }
        run.concludes("nothing_found");
    }))
    .await;
}
