//! Matchers of origins.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;

use super::Origin;
use crate::error::{Expected, PolicyError};

/// Matches the origins that a policy is for: see
/// [`KeepAliveBuilder::policy_for`](crate::KeepAliveBuilder::policy_for).
///
/// | made from | matches |
/// |---|---|
/// | `"https://api.example.com"`, a [`Uri`], an [`Origin`] | that scheme, host and port |
/// | `"api.example.com"` | that host, by any scheme, on any port |
/// | `"*.example.com"`, `".example.com"` | the hosts below that one, at any depth, but not itself |
/// | [`OriginMatcher::matching`] | the origins for which a closure returns `true` |
///
/// Hosts are compared as the URI has them, without regard to case; no name is resolved. For a text that
/// names no origin, [`KeepAliveBuilder::build`](crate::KeepAliveBuilder::build) returns an error.
///
/// ```
/// use http_keepalive::{KeepAlive, KeepAlivePolicy, OriginMatcher};
///
/// let short = KeepAlivePolicy::default().max_idle(std::time::Duration::from_secs(2));
/// let keep_alive = KeepAlive::builder()
///     .policy_for("https://api.example.com", short.hints(false))
///     .policy_for("*.example.com", short)
///     .policy_for(
///         OriginMatcher::matching(|origin| origin.port() == Some(8080)),
///         short.reuse(false),
///     )
///     .build()?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct OriginMatcher {
    pattern: Pattern,
}

#[derive(Clone)]
enum Pattern {
    Origin(Origin),
    /// In lower case.
    Host(Box<str>),
    /// In lower case, with the dot before it.
    Below(Box<str>),
    Matching(Arc<Matching>),
    /// Matches nothing: a text that names no origin, and what was expected.
    Refused(Box<str>, Expected),
}

type Matching = dyn Fn(&Origin) -> bool + Send + Sync;

impl OriginMatcher {
    /// Matches the origins for which the closure returns `true`.
    ///
    /// The closure is called when a connection is opened, and, where policies differ in
    /// [`reuse`](crate::KeepAlivePolicy::reuse), with each request that passes through a
    /// [`KeepAliveLayer`](crate::KeepAliveLayer). It should be quick, and return the same each time.
    pub fn matching(matches: impl Fn(&Origin) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Pattern::Matching(Arc::new(matches)))
    }

    /// Whether the origin matches.
    pub fn matches(&self, origin: &Origin) -> bool {
        match &self.pattern {
            Pattern::Origin(expected) => expected == origin,
            Pattern::Host(host) => **host == *origin.host(),
            Pattern::Below(suffix) => origin
                .host()
                .strip_suffix(&**suffix)
                .is_some_and(|below| !below.is_empty()),
            Pattern::Matching(matches) => matches(origin),
            Pattern::Refused(..) => false,
        }
    }

    /// Returns an error for a text that names no origin.
    pub(super) fn check(&self) -> Result<(), PolicyError> {
        match &self.pattern {
            Pattern::Refused(text, expected) => Err(PolicyError::new(*expected).with_matcher(text)),
            _ => Ok(()),
        }
    }

    const fn new(pattern: Pattern) -> Self {
        Self { pattern }
    }

    fn refused(text: &str, expected: Expected) -> Self {
        Self::new(Pattern::Refused(text.into(), expected))
    }

    fn of(uri: &Uri, text: &str) -> Self {
        let has_more = !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
            || uri
                .authority()
                .is_some_and(|authority| authority.as_str().contains('@'));
        let is_whole =
            |origin: &Origin| !origin.scheme().is_empty() && !origin.host().contains('*');
        match Origin::of(uri).filter(|origin| !has_more && is_whole(origin)) {
            Some(origin) => Self::from(origin),
            None => Self::refused(text, Expected::OriginPattern),
        }
    }

    fn parse(text: &str) -> Self {
        if text.contains("://") {
            return match text.parse::<Uri>() {
                Ok(uri) => Self::of(&uri, text),
                Err(_) => Self::refused(text, Expected::OriginPattern),
            };
        }
        let below = text.strip_prefix('*').unwrap_or(text);
        let (host, is_below) = match below.strip_prefix('.') {
            Some(host) => (host, true),
            None => (text, false),
        };
        let is_host = host
            .parse::<Authority>()
            .is_ok_and(|authority| authority.host() == host);
        let is_address = host.starts_with('[');
        if !is_host || host.contains('*') || host.starts_with('.') || is_address && is_below {
            return Self::refused(text, Expected::OriginPattern);
        }
        Self::new(if is_below {
            Pattern::Below(format!(".{}", host.to_ascii_lowercase()).into())
        } else {
            Pattern::Host(host.to_ascii_lowercase().into())
        })
    }
}

impl From<Origin> for OriginMatcher {
    fn from(origin: Origin) -> Self {
        Self::new(Pattern::Origin(origin))
    }
}

impl From<&Origin> for OriginMatcher {
    fn from(origin: &Origin) -> Self {
        Self::from(origin.clone())
    }
}

/// Matches the URI's origin; the path must be empty or `/`.
impl From<Uri> for OriginMatcher {
    fn from(uri: Uri) -> Self {
        Self::of(&uri, &uri.to_string())
    }
}

impl From<&str> for OriginMatcher {
    fn from(pattern: &str) -> Self {
        Self::parse(pattern)
    }
}

impl From<String> for OriginMatcher {
    fn from(pattern: String) -> Self {
        Self::parse(&pattern)
    }
}

/// The text that the matcher can be made from.
impl fmt::Display for OriginMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Origin(origin) => fmt::Display::fmt(origin, f),
            Pattern::Host(host) => f.write_str(host),
            Pattern::Below(suffix) => write!(f, "*{suffix}"),
            Pattern::Matching(_) => f.write_str("what a closure says"),
            Pattern::Refused(text, _) => f.write_str(text),
        }
    }
}

impl fmt::Debug for OriginMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OriginMatcher({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Origin {
        Origin::of(&uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_pattern_matches_what_it_names_and_nothing_else() {
        for (pattern, matched, others) in [
            (
                "https://API.example.com",
                &["https://api.example.com", "https://api.example.com:443/a"][..],
                &["http://api.example.com", "https://api.example.com:8443"][..],
            ),
            (
                "http://[::1]:8080/",
                &["http://[::1]:8080"],
                &["http://[::1]", "http://[::2]:8080"],
            ),
            (
                "Api.example.com",
                &["http://api.example.com", "https://API.example.com:8443"],
                &["http://b.api.example.com", "http://example.com"],
            ),
            ("[::1]", &["http://[::1]:1"], &["http://[::2]"]),
            (
                "*.Example.com",
                &["http://a.example.com", "https://b.a.EXAMPLE.com:1"],
                &[
                    "http://example.com",
                    "http://badexample.com",
                    "http://a.example.com.org",
                ],
            ),
            (
                ".example.com",
                &["http://a.example.com"],
                &["http://example.com", "http://.example.com"],
            ),
        ] {
            let matcher = OriginMatcher::from(pattern);
            assert_eq!(matcher.check(), Ok(()), "{pattern}");
            for uri in matched {
                assert!(matcher.matches(&origin(uri)), "{pattern} {uri}");
            }
            for uri in others {
                assert!(!matcher.matches(&origin(uri)), "{pattern} {uri}");
            }
        }
    }

    #[test]
    fn a_closure_decides() {
        let matcher = OriginMatcher::matching(|origin| origin.port() == Some(80));
        assert!(matcher.matches(&origin("http://a")));
        assert!(!matcher.matches(&origin("https://a")));
    }

    #[test]
    fn a_pattern_that_names_no_origin_is_refused_and_matches_none() {
        for pattern in [
            "",
            "*",
            ".",
            "*.",
            "*example.com",
            "a.*.com",
            "..example.com",
            "*.*.com",
            "a b",
            "example.com:80",
            "example.com/path",
            "user@example.com",
            "::1",
            "*.[::1]",
            "http://",
            "http://a/path",
            "http://a/?q",
            "http://u@a",
            "http://*.example.com",
            "://a",
            "http://a b",
        ] {
            let matcher = OriginMatcher::from(pattern);
            let error = matcher.check().expect_err(pattern);
            assert!(
                error.to_string().contains(&format!("`{pattern}`")),
                "{error}"
            );
            assert!(!matcher.matches(&origin("http://example.com")));
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        let shown = |pattern: &str| OriginMatcher::from(pattern).to_string();
        assert_eq!(shown("https://A.com:443/"), "https://a.com");
        assert_eq!(shown("A.com"), "a.com");
        assert_eq!(shown(".a.com"), "*.a.com");
        assert_eq!(
            format!("{:?}", OriginMatcher::matching(|_| true)),
            "OriginMatcher(what a closure says)"
        );
    }
}
