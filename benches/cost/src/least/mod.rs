//! The least that following connections takes in the way of this crate: what would be left of its cost if all that it
//! finds out and decides were free. No more than that: nothing here could be used.

pub mod client;
pub mod server;

/// What a walk over a head finds.
#[derive(Debug, Default)]
struct Walked {
    /// How many bytes the head has.
    length: usize,
    /// The `Content-Length`.
    body: usize,
}

/// Finds the end of a head, line by line.
#[inline(never)]
fn walk(head: &[u8]) -> Walked {
    let mut walked = Walked::default();
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, behind) = rest.split_at(end);
        rest = &behind[1..];
        if matches!(line, [] | [b'\r']) {
            break;
        }
        let field = line.split_first_chunk::<15>();
        if let Some((name, value)) = field {
            if name.eq_ignore_ascii_case(b"content-length:") {
                let value = std::str::from_utf8(value).unwrap().trim();
                walked.body = value.parse().unwrap();
            }
        }
    }
    walked.length = head.len() - rest.len();
    walked
}
