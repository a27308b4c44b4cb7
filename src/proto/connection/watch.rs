//! What somebody asks who only watches a connection.

use super::Lifecycle;
use crate::proto::learn::Observation;
use crate::proto::sentinel::Schedule;
use crate::proto::time::{Moment, Span};

impl Lifecycle {
    /// The status of the last response.
    pub(crate) fn status(&self) -> u16 {
        self.tracker.status()
    }

    /// For how long it has been idle at `now`; `None` if it is not.
    pub(crate) fn idle(&self, now: &Moment) -> Option<Span> {
        self.is_idle().then(|| now.since(&self.idle_since()))
    }

    /// When to look at the idle connection, until it was idle for so long.
    pub(crate) fn watch(&self, until: Span, now: &Moment) -> Schedule {
        Schedule::new(self.idle_since(), until, now)
    }
}

/// Whether a server keeps the connection after a response of this minor version of HTTP/1 with these `Connection` fields
/// (RFC 9112 §9.3).
pub(crate) fn is_kept<'a>(minor: u8, fields: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let elements = fields
        .into_iter()
        .flat_map(|field| field.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    let (mut says_close, mut says_keep_alive) = (false, false);
    for element in elements {
        says_close |= element.eq_ignore_ascii_case(b"close");
        says_keep_alive |= element.eq_ignore_ascii_case(b"keep-alive");
    }
    !says_close && (minor > 0 || says_keep_alive)
}

impl Schedule {
    /// A close that was observed, with what the looks before it show.
    pub(crate) fn refine(&self, observed: Observation, now: &Moment) -> Observation {
        match observed {
            Observation::Close { .. } => self.on_close(now),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_1_0_is_kept_if_it_says_so_and_http_1_1_unless_it_says_otherwise() {
        for (minor, fields, expected) in [
            (1, &[][..], true),
            (1, &["close"], false),
            (1, &["x, Close"], false),
            (0, &[], false),
            (0, &["x", "y , Keep-Alive"], true),
            (0, &["keep-alive", "close"], false),
            (0, &["keep-alive-not"], false),
        ] {
            let fields = fields.iter().map(|field: &&str| field.as_bytes());
            assert_eq!(is_kept(minor, fields), expected, "{minor}");
        }
    }
}
