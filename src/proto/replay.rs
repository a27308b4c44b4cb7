//! Whether a request that failed is sent again.

use http::{HeaderMap, HeaderName, Method};

use super::provenance::RequestOutcome;

/// How often a request is sent again that was not sent.
const UNSENT: u32 = 3;

/// How often an idempotent request is sent again that met the close of its connection.
const STALE: u32 = 1;

/// A safe and idempotent method without a place in [`Method`] (draft-ietf-httpbis-safe-method-w-body).
const QUERY: &str = "QUERY";

/// How often a request was sent again, by the reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Repeats {
    unsent: u32,
    stale: u32,
}

impl Repeats {
    /// The repeats with the one that follows a failure of this outcome; `None` if none does.
    ///
    /// `is_idempotent` is asked only where that decides.
    pub(crate) fn after(
        self,
        outcome: RequestOutcome,
        is_idempotent: impl FnOnce() -> bool,
    ) -> Option<Self> {
        let mut repeats = self;
        match outcome {
            RequestOutcome::Unsent if self.unsent < UNSENT => {
                repeats.unsent = self.unsent.saturating_add(1);
            }
            RequestOutcome::Stale if self.stale < STALE && is_idempotent() => {
                repeats.stale = self.stale.saturating_add(1);
            }
            // Of what a new connection did not answer, the reason is no idle timer. What was interrupted or answered
            // was received.
            _ => return None,
        }
        Some(repeats)
    }

    /// How often the request was sent, or tried to, in all.
    pub(crate) fn attempts(&self) -> u32 {
        self.unsent.saturating_add(self.stale).saturating_add(1)
    }
}

/// Whether a request with this method and these fields is idempotent: by its method (RFC 9110 §9.2.2), or because one of
/// the `keys` is a field of it that is not empty, by which its server knows it again.
pub(crate) fn is_idempotent(method: &Method, fields: &HeaderMap, keys: &[HeaderName]) -> bool {
    let has_key = |key| fields.get_all(key).iter().any(|value| !value.is_empty());
    method.is_idempotent() || method.as_str() == QUERY || keys.iter().any(has_key)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OTHERS: [RequestOutcome; 3] = [
        RequestOutcome::Unanswered,
        RequestOutcome::Interrupted,
        RequestOutcome::Answered,
    ];

    fn no_question() -> bool {
        panic!("it does not matter")
    }

    #[test]
    fn what_was_not_sent_is_sent_again_three_times_whatever_it_is() {
        let mut repeats = Repeats::default();
        for attempts in 2..=4 {
            repeats = repeats.after(RequestOutcome::Unsent, no_question).unwrap();
            assert_eq!(repeats.attempts(), attempts);
        }
        assert_eq!(repeats.after(RequestOutcome::Unsent, no_question), None);
    }

    #[test]
    fn what_is_stale_is_sent_again_once_if_it_is_idempotent() {
        let repeats = Repeats::default();
        assert_eq!(repeats.after(RequestOutcome::Stale, || false), None);
        let repeats = repeats.after(RequestOutcome::Stale, || true).unwrap();
        assert_eq!(repeats.attempts(), 2);
        assert_eq!(repeats.after(RequestOutcome::Stale, || true), None);
    }

    #[test]
    fn the_two_reasons_are_counted_each_for_itself() {
        let mut repeats = Repeats::default();
        for outcome in [
            RequestOutcome::Unsent,
            RequestOutcome::Stale,
            RequestOutcome::Unsent,
            RequestOutcome::Unsent,
        ] {
            repeats = repeats.after(outcome, || true).unwrap();
        }
        assert_eq!(repeats.attempts(), 5);
        assert_eq!(repeats.after(RequestOutcome::Unsent, || true), None);
        assert_eq!(repeats.after(RequestOutcome::Stale, || true), None);
    }

    #[test]
    fn nothing_else_is_sent_again() {
        for outcome in OTHERS {
            assert_eq!(Repeats::default().after(outcome, || true), None);
        }
    }

    #[test]
    fn methods_are_idempotent_as_their_definition_says() {
        let fields = HeaderMap::new();
        for (method, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("PUT", true),
            ("DELETE", true),
            ("QUERY", true),
            ("POST", false),
            ("PATCH", false),
            ("CONNECT", false),
            ("get", false),
            ("query", false),
            ("PROPFIND", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(is_idempotent(&method, &fields, &[]), expected, "{method}");
        }
    }

    #[test]
    fn a_key_makes_a_request_idempotent_unless_it_is_empty() {
        let key = HeaderName::from_static("idempotency-key");
        let keys = [HeaderName::from_static("x-other"), key.clone()];
        for (values, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["\"8e03978e\""], true),
            (&["", "1"], true),
        ] {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(&key, HeaderValue::from_static(value));
            }
            let is_idempotent = |keys| is_idempotent(&Method::POST, &fields, keys);
            assert_eq!(is_idempotent(&keys), expected, "{values:?}");
            assert!(!is_idempotent(&keys[..1]), "it is no key there");
        }
    }
}
