//! Requests that show at once that they are all there.

use super::head::{MAX_HEAD, behind_plain_target};
use super::lines;

/// The most that is kept of a request, in bytes.
const ROOM: usize = 256;

/// Tells requests that came whole, have no body, and whose answer ends by its own fields.
///
/// Nearly all requests are such, and nearly all clients send the same fields with each. So it is kept
/// what the last one had behind its target, if that was little: another one that ends in this needs no
/// second look at its fields.
#[derive(Debug)]
pub(crate) struct PlainRequest {
    behind_target: [u8; ROOM],
    /// Zero before the first.
    length: usize,
}

impl PlainRequest {
    pub(crate) fn new() -> Self {
        Self {
            behind_target: [0; ROOM],
            length: 0,
        }
    }

    /// Whether the bytes are such a request. Others may be as good.
    pub(crate) fn is(&mut self, bytes: &[u8]) -> bool {
        if self.is_like_last(bytes) {
            return true;
        }
        let Some(behind_target) = behind_plain_target(bytes) else {
            return false;
        };
        if let Some(room) = self.behind_target.get_mut(..behind_target.len()) {
            room.copy_from_slice(behind_target);
            self.length = behind_target.len();
        }
        true
    }

    fn is_like_last(&self, bytes: &[u8]) -> bool {
        let Some(behind_target @ [_, ..]) = self.behind_target.get(..self.length) else {
            return false;
        };
        bytes.strip_suffix(behind_target).is_some_and(|begin| {
            (begin.starts_with(b"GET ") || begin.starts_with(b"POST "))
                && !lines::holds_feed(begin)
                && bytes.len() <= MAX_HEAD
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const SAME: &str = " HTTP/1.1\r\nhost: a\r\n\r\n";

    #[test]
    fn what_was_kept_of_one_request_tells_others() {
        let mut plain = PlainRequest::new();
        for target in ["/", "/b?c", "*", ""] {
            assert!(plain.is(format!("GET {target}{SAME}").as_bytes()));
            assert!(plain.is(format!("POST {target}{SAME}").as_bytes()));
        }
        assert_eq!(plain.length, SAME.len());
        for odd in [
            "GET /",
            "",
            SAME,
            &format!("HEAD /{SAME}"),
            &format!("GET /\n{SAME}"),
            &format!("GET / HTTP/1.1\r\ncontent-length: 5\r\nx:{SAME}"),
            &format!("GET /{SAME}GET /{SAME}"),
            &format!("GET /{SAME}G"),
            &format!("GET {}{SAME}", "/".repeat(MAX_HEAD)),
        ] {
            assert!(!plain.is(odd.as_bytes()), "{}", odd.escape_debug());
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_long() {
        let mut plain = PlainRequest::new();
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(ROOM));
        assert!(plain.is(long.as_bytes()));
        assert_eq!(plain.length, 0);
        assert!(plain.is(long.as_bytes()));
    }

    /// What requests are made of, and may be cut into.
    const PARTS: [&str; 14] = [
        "GET ",
        "POST ",
        "HEAD ",
        "/",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "host: a\r\n",
        "c: d\r\n",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        " e\r\n",
        "\r\n",
        "\n",
        "\r",
    ];

    proptest! {
        #[test]
        fn what_came_before_changes_no_answer(
            requests in prop::collection::vec(prop::collection::vec(select(&PARTS[..]), 0..7), 1..6),
        ) {
            let mut plain = PlainRequest::new();
            for request in requests {
                let bytes = request.concat();
                let at_first = behind_plain_target(bytes.as_bytes()).is_some();
                prop_assert_eq!(plain.is(bytes.as_bytes()), at_first, "{}", bytes.escape_debug());
            }
        }
    }
}
