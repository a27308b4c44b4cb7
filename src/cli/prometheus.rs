//! Metrics in Prometheus's text format, such as for the textfile collector of its node exporter.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::report::{Address, Hint, Report, Seconds, Target};
use super::verdict::status;

/// What each metric begins with.
const PREFIX: &str = "http_keepalive_probe";

/// A gauge, and where its values come from.
struct Gauge {
    name: &'static str,
    help: &'static str,
    source: Source,
}

/// What a gauge has a value of. A function yields `None` where it is not known: then there is no series.
enum Source {
    Url(fn(&Target) -> Option<f64>),
    Address(fn(&Address) -> Option<f64>),
}

const GAUGES: &[Gauge] = &[
    Gauge {
        name: "outcome",
        help: "What was found: 0 what the server does, 1 not enough, 2 that it closes too soon, 3 nothing.",
        source: Source::Url(|target| Some(f64::from(status(target.outcome)))),
    },
    Gauge {
        name: "connections_opened",
        help: "Connections that were opened to find out.",
        source: Source::Url(|target| Some(f64::from(target.connections_opened))),
    },
    Gauge {
        name: "idle_timeout_seconds",
        help: "Idle time after which the server closes a connection.",
        source: Source::Address(|address| address.timeout.map(|timeout| value(timeout.seconds))),
    },
    Gauge {
        name: "open_seconds",
        help: "Longest idle time after which a connection was seen open.",
        source: Source::Address(|address| address.open_after.map(value)),
    },
    Gauge {
        name: "hint_seconds",
        help: "Timeout in the server's Keep-Alive field, if it was not asked to keep the connection.",
        source: Source::Address(|address| hint(address.hint)),
    },
    Gauge {
        name: "hint_if_asked_seconds",
        help: "Timeout in the server's Keep-Alive field, if it was asked to keep the connection.",
        source: Source::Address(|address| hint(address.hint_if_asked)),
    },
    Gauge {
        name: "hint_contradicted",
        help: "Whether the server closes sooner than its Keep-Alive field says.",
        source: Source::Address(|address| {
            let hint = hint(address.hint).or_else(|| hint(address.hint_if_asked));
            hint.map(|_| f64::from(u8::from(address.hint_contradicted)))
        }),
    },
    Gauge {
        name: "round_trip_seconds",
        help: "Least time from a request to the first byte of its response.",
        source: Source::Address(|address| address.round_trip.map(value)),
    },
    Gauge {
        name: "request_limit",
        help: "Requests that the server answers on a connection.",
        source: Source::Address(|address| address.requests?.limit.map(f64::from)),
    },
];

fn value(seconds: Seconds) -> f64 {
    seconds.0.as_secs_f64()
}

fn hint(hint: Option<Hint>) -> Option<f64> {
    hint?.timeout.map(value)
}

/// Writes all metrics that have a series.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for gauge in GAUGES {
        let mut series = Series::default();
        for target in &report.targets {
            let url = escaped(&target.url);
            match gauge.source {
                Source::Url(value) => series.add(format!("url=\"{url}\""), value(target)),
                Source::Address(value) => {
                    for found in &target.addresses {
                        let address = escaped(&found.address);
                        let labels = format!("url=\"{url}\",address=\"{address}\"");
                        series.add(labels, value(found));
                    }
                }
            }
        }
        series.write(gauge, out)?;
    }
    Ok(())
}

/// The series of a metric.
#[derive(Default)]
struct Series {
    lines: Vec<(String, f64)>,
    /// Which labels there are: a metric whose series have the same labels is not taken. The first one stays.
    seen: BTreeSet<String>,
}

impl Series {
    fn add(&mut self, labels: String, value: Option<f64>) {
        let Some(value) = value else { return };
        if self.seen.insert(labels.clone()) {
            self.lines.push((labels, value));
        }
    }

    fn write(&self, gauge: &Gauge, out: &mut impl Write) -> io::Result<()> {
        let Gauge { name, help, .. } = gauge;
        if self.lines.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP {PREFIX}_{name} {help}")?;
        writeln!(out, "# TYPE {PREFIX}_{name} gauge")?;
        for (labels, value) in &self.lines {
            writeln!(out, "{PREFIX}_{name}{{{labels}}} {value}")?;
        }
        Ok(())
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::{Outcome, Requests, Timeout, samples};
    use super::*;

    fn seconds(milliseconds: u64) -> Seconds {
        Seconds(Duration::from_millis(milliseconds))
    }

    fn target(url: &str, outcome: Outcome, addresses: Vec<Address>) -> Target {
        Target {
            url: url.to_owned(),
            outcome,
            ..samples::target("", addresses)
        }
    }

    fn written(targets: Vec<Target>) -> String {
        let report = samples::report(targets);
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_known_is_a_series() {
        let known = Address {
            address: "192.0.2.1:443".to_owned(),
            round_trip: Some(seconds(20)),
            hint: Some(Hint {
                timeout: Some(seconds(60_000)),
                max: None,
                contradicted: true,
            }),
            hint_contradicted: true,
            timeout: Some(Timeout {
                seconds: seconds(5_003),
                last: seconds(5_003),
                open: seconds(5_000),
            }),
            open_after: Some(seconds(5_000)),
            requests: Some(Requests {
                answered: 100,
                limit: Some(100),
                announced: true,
            }),
            ..Address::default()
        };
        let unknown = Address {
            address: "[2001:db8::1]:443".to_owned(),
            hint: Some(Hint {
                timeout: None,
                max: Some(5),
                contradicted: false,
            }),
            ..Address::default()
        };

        let targets = vec![
            target(
                "https://example.org/",
                Outcome::TooShort,
                vec![known, unknown],
            ),
            target("http://localhost/", Outcome::Failed, vec![]),
        ];

        let labels = r#"{url="https://example.org/",address="192.0.2.1:443"}"#;
        let expected = format!(
            r#"# HELP http_keepalive_probe_outcome What was found: 0 what the server does, 1 not enough, 2 that it closes too soon, 3 nothing.
# TYPE http_keepalive_probe_outcome gauge
http_keepalive_probe_outcome{{url="https://example.org/"}} 2
http_keepalive_probe_outcome{{url="http://localhost/"}} 3
# HELP http_keepalive_probe_connections_opened Connections that were opened to find out.
# TYPE http_keepalive_probe_connections_opened gauge
http_keepalive_probe_connections_opened{{url="https://example.org/"}} 3
http_keepalive_probe_connections_opened{{url="http://localhost/"}} 3
# HELP http_keepalive_probe_idle_timeout_seconds Idle time after which the server closes a connection.
# TYPE http_keepalive_probe_idle_timeout_seconds gauge
http_keepalive_probe_idle_timeout_seconds{labels} 5.003
# HELP http_keepalive_probe_open_seconds Longest idle time after which a connection was seen open.
# TYPE http_keepalive_probe_open_seconds gauge
http_keepalive_probe_open_seconds{labels} 5
# HELP http_keepalive_probe_hint_seconds Timeout in the server's Keep-Alive field, if it was not asked to keep the connection.
# TYPE http_keepalive_probe_hint_seconds gauge
http_keepalive_probe_hint_seconds{labels} 60
# HELP http_keepalive_probe_hint_contradicted Whether the server closes sooner than its Keep-Alive field says.
# TYPE http_keepalive_probe_hint_contradicted gauge
http_keepalive_probe_hint_contradicted{labels} 1
# HELP http_keepalive_probe_round_trip_seconds Least time from a request to the first byte of its response.
# TYPE http_keepalive_probe_round_trip_seconds gauge
http_keepalive_probe_round_trip_seconds{labels} 0.02
# HELP http_keepalive_probe_request_limit Requests that the server answers on a connection.
# TYPE http_keepalive_probe_request_limit gauge
http_keepalive_probe_request_limit{labels} 100
"#
        );
        assert_eq!(written(targets), expected);
    }

    #[test]
    fn labels_are_escaped() {
        let text = written(vec![target("a\"b\\c\nd", Outcome::Answered, vec![])]);

        let series = r#"http_keepalive_probe_outcome{url="a\"b\\c\nd"} 0"#;
        assert!(text.lines().any(|line| line == series), "{text}");
    }

    #[test]
    fn no_series_is_there_twice() {
        let address = Address {
            address: "192.0.2.1:80".to_owned(),
            open_after: Some(seconds(1_000)),
            ..Address::default()
        };
        let twice = target(
            "http://example.org/",
            Outcome::Answered,
            vec![address.clone(), address],
        );

        let text = written(vec![twice.clone(), twice]);

        for metric in ["_outcome{", "_open_seconds{"] {
            assert_eq!(text.matches(metric).count(), 1, "{text}");
        }
    }

    #[test]
    fn without_targets_there_is_nothing() {
        assert_eq!(written(vec![]), "");
    }
}
