//! Lines to paste, by which clients and proxies close before a server does.
//!
//! Most forms take how long a connection may be idle: the server's timeout, less a margin. Where that leaves nothing
//! that a form can say, its line says not to reuse connections. A value of zero would not do: it means *no limit* in
//! some forms.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What an Application Load Balancer takes, in seconds.
const ALB: RangeInclusive<u64> = 1..=4_000;

/// How to set up one program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Advice {
    /// Such as `reqwest`.
    pub(super) for_what: &'static str,
    /// To paste: one line or more.
    pub(super) text: String,
}

/// How to set up what sends requests to a server with this timeout.
///
/// `margin` is how much sooner a client has to close. `is_hint_wrong` is whether the server says that it keeps them for
/// longer.
pub(super) fn advice(timeout: Duration, margin: Duration, is_hint_wrong: bool) -> Vec<Advice> {
    let idle = timeout.saturating_sub(margin);
    // In milliseconds, cut off: a time that is longer than the server's would not do.
    let timeout = timeout.as_millis();
    let reusable = Some(idle.as_millis()).filter(|&idle| idle > 0);
    [
        (
            "http-keepalive",
            policy(timeout, reusable.is_some(), is_hint_wrong),
        ),
        ("hyper-util", hyper_util(reusable)),
        ("reqwest", reqwest(reusable)),
        ("Go, net/http", go(reusable)),
        ("Node.js, http.Agent and https.Agent", node(reusable)),
        ("undici", undici(reusable)),
        ("nginx before the server", nginx(reusable)),
        ("AWS Application Load Balancer before the server", alb(idle)),
    ]
    .into_iter()
    .map(|(for_what, text)| Advice { for_what, text })
    .collect()
}

/// This crate's policy: it subtracts the margin by itself. A longer hint would win.
fn policy(timeout: u128, is_reusable: bool, is_hint_wrong: bool) -> String {
    if !is_reusable {
        return "KeepAlivePolicy::default().reuse(false)".to_owned();
    }
    let hints = if is_hint_wrong { ".hints(false)" } else { "" };
    format!("KeepAlivePolicy::default().max_idle(Duration::from_millis({timeout})){hints}")
}

/// Without the timer, idle connections are not closed.
fn hyper_util(idle: Option<u128>) -> String {
    idle.map_or_else(
        || ".pool_max_idle_per_host(0) // does not reuse connections".to_owned(),
        |idle| {
            format!(
                ".pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_millis({idle}))"
            )
        },
    )
}

fn reqwest(idle: Option<u128>) -> String {
    idle.map_or_else(
        || ".pool_max_idle_per_host(0) // does not reuse connections".to_owned(),
        |idle| format!(".pool_idle_timeout(Duration::from_millis({idle}))"),
    )
}

/// A timeout of zero would mean no limit.
fn go(idle: Option<u128>) -> String {
    let setting = idle.map_or_else(
        || "DisableKeepAlives: true".to_owned(),
        |idle| format!("IdleConnTimeout: {idle} * time.Millisecond"),
    );
    format!(
        "&http.Transport{{{setting}}}\n\
         // Unlike http.DefaultTransport, this takes no proxy from the environment."
    )
}

/// A timeout of zero would mean no limit.
fn node(idle: Option<u128>) -> String {
    idle.map_or_else(
        || "new Agent({ keepAlive: false })".to_owned(),
        |idle| {
            format!(
                "new Agent({{ keepAlive: true, timeout: {idle} }})\n\
                 // It also counts during requests: one that is silent for that long emits 'timeout'."
            )
        },
    )
}

/// Zero is an error. The second setting is for servers with a hint: undici takes two seconds off it by itself.
fn undici(idle: Option<u128>) -> String {
    idle.map_or_else(
        || "new Agent({ pipelining: 0 }) // does not reuse connections".to_owned(),
        |idle| format!("new Agent({{ keepAliveTimeout: {idle}, keepAliveMaxTimeout: {idle} }})"),
    )
}

/// Before 1.29.7, connections were not kept unless so configured.
fn nginx(idle: Option<u128>) -> String {
    idle.map_or_else(
        || "proxy_set_header Connection close; # does not reuse connections".to_owned(),
        |idle| {
            format!(
                "upstream … {{ server …; keepalive 32; keepalive_timeout {idle}ms; }}\n\
                 # Before 1.29.7, also: proxy_http_version 1.1; proxy_set_header Connection \"\";"
            )
        },
    )
}

/// Whole seconds. They have to be fewer than the server's, not more as people expect of a load balancer.
fn alb(idle: Duration) -> String {
    let seconds = idle.as_secs().min(*ALB.end());
    if ALB.contains(&seconds) {
        format!(
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn … \\\n    \
             --attributes Key=idle_timeout.timeout_seconds,Value={seconds}\n\
             # Also for its clients' connections, and how long a server may be silent during a request (504)."
        )
    } else {
        "# Not possible: it keeps idle connections for a second at least. Set a longer timeout in the server."
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(timeout: u64, margin: u64) -> String {
        advice(
            Duration::from_millis(timeout),
            Duration::from_millis(margin),
            false,
        )
        .into_iter()
        .map(|advice| format!("{}: {}\n", advice.for_what, advice.text))
        .collect()
    }

    #[test]
    fn a_client_closes_a_margin_before_the_server() {
        let expected = r#"
http-keepalive: KeepAlivePolicy::default().max_idle(Duration::from_millis(5000))
hyper-util: .pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_millis(4500))
reqwest: .pool_idle_timeout(Duration::from_millis(4500))
Go, net/http: &http.Transport{IdleConnTimeout: 4500 * time.Millisecond}
// Unlike http.DefaultTransport, this takes no proxy from the environment.
Node.js, http.Agent and https.Agent: new Agent({ keepAlive: true, timeout: 4500 })
// It also counts during requests: one that is silent for that long emits 'timeout'.
undici: new Agent({ keepAliveTimeout: 4500, keepAliveMaxTimeout: 4500 })
nginx before the server: upstream … { server …; keepalive 32; keepalive_timeout 4500ms; }
# Before 1.29.7, also: proxy_http_version 1.1; proxy_set_header Connection "";
AWS Application Load Balancer before the server: aws elbv2 modify-load-balancer-attributes --load-balancer-arn … \
    --attributes Key=idle_timeout.timeout_seconds,Value=4
# Also for its clients' connections, and how long a server may be silent during a request (504).
"#;
        assert_eq!(lines(5_000, 500), expected.trim_start());
    }

    #[test]
    fn a_hint_that_is_wrong_is_ignored() {
        let margin = Duration::from_millis(500);
        let [right, wrong] = [false, true].map(|is_wrong| {
            let advice = advice(Duration::from_secs(5), margin, is_wrong);
            advice.into_iter().next().unwrap().text
        });
        assert_eq!(wrong, format!("{right}.hints(false)"));
    }

    #[test]
    fn where_nothing_is_left_connections_are_not_reused() {
        let expected = r"
http-keepalive: KeepAlivePolicy::default().reuse(false)
hyper-util: .pool_max_idle_per_host(0) // does not reuse connections
reqwest: .pool_max_idle_per_host(0) // does not reuse connections
Go, net/http: &http.Transport{DisableKeepAlives: true}
// Unlike http.DefaultTransport, this takes no proxy from the environment.
Node.js, http.Agent and https.Agent: new Agent({ keepAlive: false })
undici: new Agent({ pipelining: 0 }) // does not reuse connections
nginx before the server: proxy_set_header Connection close; # does not reuse connections
AWS Application Load Balancer before the server: # Not possible: it keeps idle connections for a second at least. Set a longer timeout in the server.
";
        for (timeout, margin) in [(0, 0), (100, 100), (100, 500)] {
            assert_eq!(
                lines(timeout, margin),
                expected.trim_start(),
                "{timeout} {margin}"
            );
        }
    }

    #[test]
    fn no_form_says_zero() {
        // Less than a millisecond, and less than a second.
        for idle in [Duration::from_micros(900), Duration::from_millis(999)] {
            for Advice { text, .. } in advice(idle, Duration::ZERO, true) {
                for zero in ["from_millis(0)", ": 0 *", "imeout: 0", " 0ms", "Value=0"] {
                    assert!(!text.contains(zero), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_load_balancer_takes_whole_seconds_within_its_range() {
        for (idle, expected) in [
            (999, None),
            (1_000, Some(1)),
            (4_999, Some(4)),
            (60_000, Some(60)),
            (4_000_000, Some(4_000)),
            (86_400_000, Some(4_000)),
        ] {
            let text = alb(Duration::from_millis(idle));
            match expected {
                Some(seconds) => assert!(
                    text.contains(&format!("timeout_seconds,Value={seconds}\n")),
                    "{text}"
                ),
                None => assert!(text.starts_with("# Not possible"), "{text}"),
            }
        }
    }
}
