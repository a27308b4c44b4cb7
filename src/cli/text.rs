//! Values as people read them: times, ends of connections, and what peers sent.

use std::time::Duration;

use super::report::End;

/// How many characters of a peer's text are shown.
const EXCERPT: usize = 160;

/// The text without what would not be printed, or would move a terminal's cursor.
///
/// Quotes and backslashes stay as they are. So a text that went through it once stays the same.
pub(super) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => printed.push(c),
            c => printed.extend(c.escape_debug()),
        }
    }
    printed
}

/// [`printable`], and not much of it: a peer may send a field of any length.
pub(super) fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(EXCERPT).collect();
    let mut excerpt = printable(&head);
    if characters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// A time that was measured: `5.0 s`, or `12.3 ms` where that is more telling.
pub(super) fn measured(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    if milliseconds < 999.95 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// A time that somebody has set: `60 s`, `2.5 s`.
pub(super) fn set(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// A time to the millisecond: `5.003 s`.
pub(super) fn exact(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// How a connection ended, as it reads on the network.
pub(super) fn ending(end: &End) -> String {
    match end {
        End::Fin => "FIN".to_owned(),
        End::Reset => "RST".to_owned(),
        End::Response { status } => status.to_string(),
        End::Bytes => "bytes".to_owned(),
        End::Error { text } => excerpt(text),
        End::Open => "still open".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_peer_reaches_the_terminal_as_it_is() {
        let hostile = "nginx\x1b[2J\r\n\u{9b}31m\u{202e}\0 \"it's\" a\\b";
        let printed = printable(hostile);

        assert_eq!(
            printed,
            r#"nginx\u{1b}[2J\r\n\u{9b}31m\u{202e}\0 "it's" a\b"#
        );
        assert_eq!(printable(&printed), printed, "twice is the same as once");
    }

    #[test]
    fn an_excerpt_is_short() {
        assert_eq!(excerpt("nginx"), "nginx");
        assert_eq!(excerpt(&"x".repeat(EXCERPT)), "x".repeat(EXCERPT));
        assert_eq!(
            excerpt(&"x".repeat(8_000)),
            format!("{}…", "x".repeat(EXCERPT))
        );
    }

    #[test]
    fn times_are_as_long_as_they_are_telling() {
        for (milliseconds, expected) in [
            (0, "0.0 ms"),
            (12, "12.0 ms"),
            (999, "999.0 ms"),
            (1_000, "1.0 s"),
            (5_003, "5.0 s"),
            (130_000, "130.0 s"),
        ] {
            assert_eq!(measured(Duration::from_millis(milliseconds)), expected);
        }
        assert_eq!(exact(Duration::from_micros(5_003_400)), "5.003 s");
        assert_eq!(set(Duration::from_secs(60)), "60 s");
        assert_eq!(set(Duration::from_millis(2_500)), "2.5 s");
    }

    #[test]
    fn an_error_is_a_peers_text_too() {
        let text = "certificate of \x1b[31m".to_owned();
        assert_eq!(ending(&End::Error { text }), "certificate of \\u{1b}[31m");
        assert_eq!(ending(&End::Response { status: 408 }), "408");
    }
}
