//! The command line, from outside.

use futures_util::future::join_all;

use crate::run::Running;

#[tokio::test]
async fn arguments_that_are_wrong_are_refused_in_one_line() {
    let url = "http://127.0.0.1:9/";
    let cases: [&[&str]; 14] = [
        &[],
        &["--json"],
        &[url, "--max-wait", "0"],
        &[url, "--max-wait", "soon"],
        &[url, "--at-least", "-1"],
        &[url, "--requests", "1"],
        &[url, "--connections", "65"],
        &[url, "--method", "POST"],
        &[url, "--header", "no colon"],
        &[url, "--header", "Connection: close"],
        &[url, "--resolve", "a:80"],
        &[url, "--http-proxy", "socks5://127.0.0.1:9/"],
        &[url, "--json", "--prometheus"],
        &[url, "--unknown"],
    ];
    join_all(cases.map(|arguments| async move {
        let run = Running::start(arguments, &[]).end().await;
        assert_eq!(run.status, Some(3), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{arguments:?}: {run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{arguments:?}: {run:?}");
    }))
    .await;
}

#[tokio::test]
async fn the_version_is_printed() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_http-keepalive-probe"))
        .arg("--version")
        .output()
        .await
        .unwrap();

    assert_eq!(output.status.code(), Some(0));
    let expected = concat!("http-keepalive-probe ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
