//! What people read: for each URL a sentence, a table per address, and lines to paste.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use super::advice::advice;
use super::report::{
    ActiveRequest, ActiveResult, Address, End, Hint, IdleEnd, Purpose, Report, Requests, Response,
    Target, Timeout, Tls,
};
use super::text::{ending, exact, excerpt, measured, printable, set};
use super::verdict::usable;
use crate::proto::deadline;

/// How wide a table gets.
const WIDTH: u16 = 100;

/// How many connections or requests of a kind are listed.
const LISTED: usize = 12;

/// Prints everything that was found.
pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for (n, target) in report.targets.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        print_target(target, out)?;
    }
    if report.interrupted {
        writeln!(
            out,
            "\nIt was interrupted: there may be more to find than this."
        )?;
    }
    Ok(())
}

fn print_target(target: &Target, out: &mut impl Write) -> io::Result<()> {
    // It was escaped where it was made: this changes nothing then.
    writeln!(out, "{}", printable(&target.verdict))?;
    for address in &target.addresses {
        writeln!(out, "\n{}", table(address))?;
    }
    if target.connections_opened > 0 {
        let s = if target.connections_opened == 1 {
            ""
        } else {
            "s"
        };
        writeln!(
            out,
            "\n{} connection{s} in {}.",
            target.connections_opened,
            measured(target.elapsed.0)
        )?;
    }
    print_advice(target, out)
}

/// Lines to paste, for as long as connections are sure to be usable.
fn print_advice(target: &Target, out: &mut impl Write) -> io::Result<()> {
    let Some(usable) = usable(target) else {
        return Ok(());
    };
    // Cut off to a hundredth of a second: timers are no better.
    let hundredths = usable.as_millis().checked_div(10).unwrap_or_default();
    let timeout = Duration::from_millis(
        u64::try_from(hundredths)
            .unwrap_or(u64::MAX)
            .saturating_mul(10),
    );
    let margin = deadline::default_margin(timeout);
    writeln!(
        out,
        "\nTo close idle connections {} before {}:",
        measured(margin),
        measured(timeout)
    )?;
    let is_hint_wrong = target.addresses.iter().any(|found| found.hint_contradicted);
    for advice in advice(timeout, margin, is_hint_wrong) {
        writeln!(out, "\n  {}:", advice.for_what)?;
        for line in advice.text.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// What was found of an address: a row for each thing that is known.
fn table(found: &Address) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["address".to_owned(), excerpt(&found.address)]);
    for (what, found) in rows(found) {
        table.add_row([what.to_owned(), found]);
    }
    table
}

fn rows(found: &Address) -> Vec<(&'static str, String)> {
    let response = found.response.as_ref();
    let tls = found.tls.as_ref();
    let rows = [
        ("error", found.error.as_deref().map(excerpt)),
        ("response", response.map(response_cell)),
        ("hint", response.map(|_| hint(found.hint))),
        (
            "hint, if asked",
            was_asked(found).then(|| hint(found.hint_if_asked)),
        ),
        ("timeout", response.map(|_| timeout(found))),
        ("idle connections", listed(&found.idle, idle_end)),
        (
            "TLS",
            tls.and_then(|tls| tls.version.as_deref()).map(excerpt),
        ),
        ("close_notify", tls.and_then(close_notify)),
        ("HTTP/2", tls.and_then(http2)),
        ("round trip", round_trip(found)),
        ("requests", found.requests.map(requests)),
        ("after idle time", listed(&found.active, active)),
        (
            "read late",
            found.slow_reader.map(|slow| {
                format!(
                    "unread for {}: then open for {}, which is {} less than the timeout",
                    exact(slow.unread.0),
                    exact(slow.idle.0),
                    exact(slow.cut_by.0)
                )
            }),
        ),
    ];
    rows.into_iter()
        .filter_map(|(what, found)| Some((what, found?)))
        .collect()
}

fn response_cell(response: &Response) -> String {
    let Response {
        status,
        server,
        via,
        location,
        persistent,
    } = response;
    let mut lines = vec![status.to_string()];
    for (field, value) in [("Server", server), ("Via", via), ("Location", location)] {
        let value = value.as_deref().map(excerpt);
        lines.extend(value.map(|value| format!("{field}: {value}")));
    }
    if !persistent {
        lines.push("The connection is closed after it.".to_owned());
    }
    lines.join("\n")
}

/// Whether it is known which hint the server gives if it is asked to keep connections.
fn was_asked(found: &Address) -> bool {
    let mut connections = found.connections.iter();
    found.hint_if_asked.is_some() || connections.any(|of| of.purpose == Purpose::WatchAsked)
}

fn hint(hint: Option<Hint>) -> String {
    let Some(Hint {
        timeout,
        max,
        contradicted,
    }) = hint
    else {
        return "none".to_owned();
    };
    let timeout = timeout.map(|timeout| {
        let note = if contradicted {
            ", but it closes sooner"
        } else {
            ""
        };
        format!("{}{note}", set(timeout.0))
    });
    let max = max.map(|max| format!("at most {max} more requests"));
    let parts: Vec<_> = timeout.into_iter().chain(max).collect();
    if parts.is_empty() {
        return "neither a timeout nor a limit".to_owned();
    }
    parts.join("; ")
}

fn timeout(found: &Address) -> String {
    match (found.timeout, found.open_after) {
        (Some(Timeout { seconds, open, .. }), _) => {
            format!("{} (still open after {})", exact(seconds.0), exact(open.0))
        }
        (None, Some(open)) => format!("not found; still open after {}", exact(open.0)),
        (None, None) => "not found".to_owned(),
    }
}

/// A line for each; `None` if there are none.
fn listed<T>(of: &[T], line: fn(&T) -> String) -> Option<String> {
    if of.is_empty() {
        return None;
    }
    let mut lines: Vec<_> = of.iter().take(LISTED).map(line).collect();
    let more = of.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Some(lines.join("\n"))
}

fn idle_end(idle: &IdleEnd) -> String {
    let after = exact(idle.idle.0);
    numbered(
        idle.connection,
        match idle.end {
            End::Open => format!("still open after {after}"),
            ref end => format!("{} after {after}", ending(end)),
        },
    )
}

fn active(request: &ActiveRequest) -> String {
    let result = match &request.result {
        ActiveResult::Answered { status } => format!("answered, {status}"),
        ActiveResult::Failed { end } => format!("failed, {}", ending(end)),
        ActiveResult::Silence => "neither an answer nor an error".to_owned(),
        ActiveResult::Closed => "not sent: the connection was closed".to_owned(),
    };
    numbered(
        request.connection,
        format!("{}: {result}", exact(request.idle.0)),
    )
}

/// With a connection's number, as in the timeline.
fn numbered(connection: u32, what: impl Display) -> String {
    format!("#{connection} {what}")
}

fn close_notify(tls: &Tls) -> Option<String> {
    tls.close_notify.map(|sent| {
        let text = if sent {
            "sent before idle connections are closed"
        } else {
            "not sent before idle connections are closed"
        };
        text.to_owned()
    })
}

fn http2(tls: &Tls) -> Option<String> {
    tls.http2.map(|chosen| {
        let text = if chosen {
            "chosen if it is offered: such a client does not use these connections"
        } else {
            "not chosen if it is offered"
        };
        text.to_owned()
    })
}

fn round_trip(found: &Address) -> Option<String> {
    let connecting = found
        .connecting
        .map(|time| format!("{} to connect", measured(time.0)));
    let request = found
        .round_trip
        .map(|time| format!("{} to be answered", measured(time.0)));
    let parts: Vec<_> = connecting.into_iter().chain(request).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn requests(requests: Requests) -> String {
    let Requests {
        answered,
        limit,
        announced,
    } = requests;
    match (limit, announced) {
        (Some(limit), true) => {
            format!("{limit} on a connection: the last response says that it is closed")
        }
        (Some(limit), false) => format!("{limit} on a connection, which no answer says"),
        (None, _) => format!("{answered} answered on a connection, no limit found"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::{Connection, Seconds, SlowReader, samples};
    use super::*;

    fn seconds(milliseconds: u64) -> Seconds {
        Seconds(Duration::from_millis(milliseconds))
    }

    fn report(verdict: &str, addresses: Vec<Address>) -> Report {
        samples::report(vec![samples::target(verdict, addresses)])
    }

    fn printed(report: &Report) -> String {
        let mut out = Vec::new();
        print(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn address() -> Address {
        Address {
            address: "192.0.2.1:443".to_owned(),
            tls: Some(Tls {
                version: Some("TLSv1.3".to_owned()),
                http2: Some(true),
                close_notify: Some(false),
            }),
            response: Some(Response {
                status: 200,
                server: Some("nginx".to_owned()),
                via: None,
                location: None,
                persistent: true,
            }),
            connecting: Some(seconds(10)),
            round_trip: Some(seconds(21)),
            hint: Some(Hint {
                timeout: Some(seconds(60_000)),
                max: Some(99),
                contradicted: true,
            }),
            hint_contradicted: true,
            timeout: Some(Timeout {
                seconds: seconds(5_003),
                last: seconds(5_010),
                open: seconds(4_990),
            }),
            open_after: Some(seconds(4_990)),
            idle: vec![
                IdleEnd {
                    connection: 1,
                    idle: seconds(5_003),
                    open: seconds(4_990),
                    end: End::Fin,
                },
                IdleEnd {
                    connection: 2,
                    idle: seconds(5_010),
                    open: seconds(4_980),
                    end: End::Response { status: 408 },
                },
            ],
            active: vec![ActiveRequest {
                connection: 3,
                idle: seconds(5_100),
                result: ActiveResult::Failed { end: End::Reset },
            }],
            requests: Some(Requests {
                answered: 100,
                limit: Some(100),
                announced: false,
            }),
            slow_reader: Some(SlowReader {
                unread: seconds(3_000),
                idle: seconds(2_003),
                cut_by: seconds(3_000),
            }),
            connections: vec![Connection {
                purpose: Purpose::WatchAsked,
                opened: seconds(10),
                exchanges: vec![],
                ended: seconds(5_030),
                end: End::Fin,
            }],
            ..Address::default()
        }
    }

    #[test]
    fn everything_that_is_known_is_a_row() {
        let printed = printed(&report("A verdict.", vec![address()]));

        let expected = "\
A verdict.

| address          | 192.0.2.1:443                                                             |
|------------------|---------------------------------------------------------------------------|
| response         | 200                                                                       |
|                  | Server: nginx                                                             |
| hint             | 60 s, but it closes sooner; at most 99 more requests                      |
| hint, if asked   | none                                                                      |
| timeout          | 5.003 s (still open after 4.990 s)                                        |
| idle connections | #1 FIN after 5.003 s                                                      |
|                  | #2 408 after 5.010 s                                                      |
| TLS              | TLSv1.3                                                                   |
| close_notify     | not sent before idle connections are closed                               |
| HTTP/2           | chosen if it is offered: such a client does not use these connections     |
| round trip       | 10.0 ms to connect, 21.0 ms to be answered                                |
| requests         | 100 on a connection, which no answer says                                 |
| after idle time  | #3 5.100 s: failed, RST                                                   |
| read late        | unread for 3.000 s: then open for 2.003 s, which is 3.000 s less than the |
|                  | timeout                                                                   |

3 connections in 6.0 s.

To close idle connections 500.0 ms before 5.0 s:

  http-keepalive:
    KeepAlivePolicy::default().max_idle(Duration::from_millis(5000)).hints(false)
";
        assert!(printed.starts_with(expected), "{printed}");
        assert!(printed.contains("\n    .pool_idle_timeout(Duration::from_millis(4500))\n"));
    }

    #[test]
    fn it_fits_a_terminal() {
        let mut address = address();
        address.response.as_mut().unwrap().via = Some("1.1 proxy ".repeat(900));
        let printed = printed(&report("A verdict.", vec![address]));

        for line in printed.lines() {
            assert!(line.chars().count() <= usize::from(WIDTH), "{line}");
        }
        assert!(printed.lines().count() < 70, "{printed}");
    }

    #[test]
    fn what_a_server_sends_cannot_move_the_cursor() {
        let hostile = "\x1b]0;title\x07\x1b[2J\r\n\u{9b}31m\u{202e}| x |".to_owned();
        let mut address = address();
        address.address.clone_from(&hostile);
        address.error = Some(hostile.clone());
        address.tls.as_mut().unwrap().version = Some(hostile.clone());
        address.idle[0].end = End::Error {
            text: hostile.clone(),
        };
        address.active[0].result = ActiveResult::Failed {
            end: End::Error {
                text: hostile.clone(),
            },
        };
        let response = address.response.as_mut().unwrap();
        response.server = Some(hostile.clone());
        response.via = Some(hostile.clone());
        response.location = Some(hostile.clone());

        let printed = printed(&report(&hostile, vec![address]));

        let is_harmless = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
        assert!(printed.chars().all(is_harmless), "{printed:?}");
        assert!(printed.contains(r"Server: \u{1b}]0;title\u{7}\u{1b}[2J\r\n\u{9b}31m\u{202e}"));
    }

    #[test]
    fn without_a_timeout_there_is_nothing_to_paste() {
        let mut report = report(
            "A verdict.",
            vec![Address {
                address: "192.0.2.1:80".to_owned(),
                error: Some("connection refused".to_owned()),
                ..Address::default()
            }],
        );
        report.interrupted = true;

        let expected = "\
A verdict.

| address | 192.0.2.1:80       |
|---------|--------------------|
| error   | connection refused |

3 connections in 6.0 s.

It was interrupted: there may be more to find than this.
";
        assert_eq!(printed(&report), expected);
    }

    #[test]
    fn many_connections_are_not_all_listed() {
        let mut address = address();
        let idle = address.idle[0].clone();
        address.idle = vec![idle; LISTED + 3];

        let printed = printed(&report("A verdict.", vec![address]));

        assert_eq!(printed.matches("#1 FIN after 5.003 s").count(), LISTED);
        assert!(printed.contains("| and 3 more "), "{printed}");
    }
}
