//! The head of a response, as far as people want to see it. What it means for the connection is decided in `proto`.

use super::text::excerpt;
use crate::proto::connection::is_kept;

/// How many bytes of a response are kept for it.
const MAX_HEAD: usize = 64 << 10;

/// How many fields are looked at.
const MAX_FIELDS: usize = 256;

/// The beginning of a response.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        head.add(bytes);
        head
    }

    /// Bytes that follow.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = MAX_HEAD.saturating_sub(self.bytes.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
    }

    pub(super) fn begins_with(&self, bytes: &[u8]) -> bool {
        self.bytes.starts_with(bytes)
    }

    /// The status of the final response, if it is that far.
    pub(super) fn status(&self) -> Option<u16> {
        self.look(|response| response.code)
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        self.look(|response| {
            let mut fields = response.headers.iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
            let text = String::from_utf8_lossy(field.value);
            // Control characters must not reach a terminal, not even in JSON.
            Some(excerpt(&text))
        })
    }

    /// Whether the server keeps the connection after it.
    pub(super) fn is_kept(&self) -> bool {
        let is_kept = self.look(|response| {
            let fields = response.headers.iter();
            let fields = fields.filter(|field| field.name.eq_ignore_ascii_case("connection"));
            Some(is_kept(response.version?, fields.map(|field| field.value)))
        });
        is_kept.unwrap_or(false)
    }

    fn look<R>(&self, look: impl Fn(&httparse::Response<'_, '_>) -> Option<R>) -> Option<R> {
        let mut rest = &*self.bytes;
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            let parsed = response.parse(rest);
            match (parsed, response.code) {
                // An interim response (RFC 9110 §15.2).
                (Ok(httparse::Status::Complete(length)), Some(100 | 102..=199)) => {
                    rest = rest.get(length..)?;
                }
                _ => return look(&response),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_fields_are_those_of_the_final_response() {
        let head = Head::of(
            b"HTTP/1.1 103 Early\r\nServer: x\r\n\r\nHTTP/1.1 302 Found\r\nSERVER: a \xff\r\n\r\nbody",
        );
        assert_eq!(head.status(), Some(302));
        assert_eq!(head.field("server").as_deref(), Some("a \u{fffd}"));
        assert_eq!(head.field("via"), None);
    }

    #[test]
    fn what_is_no_response_has_no_status() {
        for bytes in [
            &b""[..],
            b"\x15\x03\x03\0\x02",
            b"HTTP/1.1 4",
            b"SSH-2.0\r\n",
        ] {
            assert_eq!(Head::of(bytes).status(), None, "{bytes:?}");
        }
        assert_eq!(Head::of(b"HTTP/1.1 408 Timeout\r\n").status(), Some(408));
    }

    #[test]
    fn before_http_1_1_a_connection_is_kept_only_if_the_response_says_so() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.0 200 OK\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: close\r\n", false),
            (
                "HTTP/1.0 200 OK\r\nX: y\r\nCONNECTION: Keep-Alive\r\n",
                true,
            ),
            (
                "HTTP/1.0 200 OK\r\nConnection: a\r\nConnection: b, keep-alive ,c\r\n",
                true,
            ),
            ("HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\n", false),
        ] {
            let head = Head::of(format!("{head}\r\n").as_bytes());
            assert_eq!(head.is_kept(), expected, "{head:?}");
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut head = Head::default();
        for _ in 0..100 {
            head.add(&[b'a'; 4096]);
        }
        assert_eq!(head.bytes.len(), MAX_HEAD);
    }
}
