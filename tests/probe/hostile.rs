//! Servers that send what nobody expects: what is printed of it is bounded, and does nothing to a terminal.

use tokio::io::AsyncWriteExt;

use crate::run::{Run, Running, probe};
use crate::server::{OK, Server, request, until_closed};
use crate::together::together;

together! {
    what_servers_send_is_printed_harmlessly:
    fields_with_control_characters_are_escaped,
    fields_that_are_long_are_bounded,
    many_fields_are_bounded,
    a_goodbye_that_is_long_is_bounded,
    interim_responses_without_end_are_bounded,
    bytes_that_are_no_text_are_harmless,
}

/// How much is printed at most of a server, whatever it sends.
const MOST: usize = 256 << 10;

/// Checks what was printed.
fn is_harmless(run: &Run) {
    for printed in [&run.stdout, &run.stderr] {
        let control = |c: &char| c.is_control() && *c != '\n';
        assert_eq!(printed.chars().find(control), None, "{printed:?}");
        assert!(printed.len() < MOST, "{}", printed.len());
    }
}

async fn fields_with_control_characters_are_escaped() {
    for fields in [
        "Server: \x1b]0;title\x07\x1b[2J\r\nVia: a\tb\x08\r\nLocation: \x7f\x0b\r\n",
        // A terminal may take these for escape sequences, too.
        "Server: \u{9d}0;title\u{9c}\u{9b}2J\r\nVia: \u{9b}31m\r\nLocation: \u{85}\r\n",
    ] {
        let server = Server::once(format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"
        ))
        .await;
        let url = server.url();
        for form in [&[&*url][..], &[&url, "--json"], &[&url, "--prometheus"]] {
            let run = Running::start(form, &[]).end().await;
            is_harmless(&run);
            assert!(run.status.is_some_and(|status| status < 4), "{run:?}");
        }
    }
}

async fn fields_that_are_long_are_bounded() {
    let long = "a".repeat(60 << 10);
    let fields = format!("Server: {long}\r\nVia: {long}\r\nLocation: {long}\r\n");
    let server = Server::once(format!(
        "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"
    ))
    .await;
    let run = probe(&[&server.url()]).await;

    is_harmless(&run);
    assert_eq!(run.address()["response"]["status"], 200);
}

async fn many_fields_are_bounded() {
    let fields = "X: y\r\n".repeat(10_000);
    let server = Server::once(format!(
        "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"
    ))
    .await;
    let run = probe(&[&server.url()]).await;

    is_harmless(&run);
    assert_eq!(run.address()["response"]["status"], 200);
}

async fn a_goodbye_that_is_long_is_bounded() {
    let server = Server::tcp(|mut stream| async move {
        request(&mut stream).await;
        let _ = stream.write_all(OK.as_bytes()).await;
        let junk = [0x1b; 64 << 10];
        while stream.write_all(&junk).await.is_ok() {}
    })
    .await;
    is_harmless(&probe(&[&server.url()]).await);
}

async fn interim_responses_without_end_are_bounded() {
    let server = Server::tcp(|mut stream| async move {
        request(&mut stream).await;
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(1_000);
        while stream.write_all(interim.as_bytes()).await.is_ok() {}
    })
    .await;
    let run = probe(&[&server.url()]).await;

    is_harmless(&run);
    assert!(
        run.error().starts_with("the response is longer than"),
        "{run:?}"
    );
}

async fn bytes_that_are_no_text_are_harmless() {
    for bytes in [
        &b"\x00\x01\x02\x1b[31m\r\n\r\n"[..],
        b"HTTP/1.1 \xff\xfe\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let server = Server::tcp(move |mut stream| async move {
            request(&mut stream).await;
            let _ = stream.write_all(bytes).await;
            until_closed(&mut stream).await;
        })
        .await;
        let run = probe(&[&server.url()]).await;

        is_harmless(&run);
        assert_eq!(run.error().lines().count(), 1);
        run.concludes("failed");
    }
}
