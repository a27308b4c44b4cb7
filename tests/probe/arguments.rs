//! The command line, from outside.

use futures_util::future::join_all;

use crate::run::Running;

#[tokio::test]
async fn arguments_that_are_wrong_are_refused_in_one_line() {
    let url = "http://127.0.0.1:9/";
    let cases: [&[&str]; 16] = [
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
        // What cannot be written is found before anything is measured.
        &[url, "--plot", "/nonexistent/timeline.svg"],
        &[url, "--plot", "/"],
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn standard_error_need_not_be_writable() {
    use std::fs::File;
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let server = crate::server::Server::patient().await;
    let url = server.url();
    let cases: [(&[&str], i32); 3] = [
        (&["--json", "--unknown"], 3),
        (&["--json", &url, "--plot", "/"], 3),
        (&["--json", &url, "--max-wait", "0.1"], 1),
    ];
    for (arguments, status) in cases {
        let run = Running::start_with_stderr(full().into(), arguments, &[]);
        let run = run.end().await;

        assert_eq!(run.status, Some(status), "{arguments:?}: {run:?}");
        assert_eq!(run.report.is_null(), status == 3, "{arguments:?}: {run:?}");
    }
}

#[tokio::test]
async fn a_timeline_is_drawn() {
    let server = crate::server::Server::patient().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("timeline.svg");
    let (url, plot) = (server.url(), path.to_str().unwrap());
    let arguments = ["--json", &*url, "--max-wait", "0.1", "--plot", plot];
    let run = Running::start(&arguments, &[]).end().await;

    run.concludes("nothing_found");
    let svg = std::fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg "), "{svg}");
    assert!(svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(svg.contains("#1 watched"), "{svg}");
}
