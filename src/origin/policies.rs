//! Which policy holds for which origin.

use super::{Origin, OriginMatcher};
use crate::error::{Expected, PolicyError};
use crate::policy::KeepAlivePolicy;

/// The policies of origins, and the one of all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    default: KeepAlivePolicy,
    /// The first that matches is it.
    of_some: Vec<(OriginMatcher, KeepAlivePolicy)>,
    /// Whether they differ in what concerns a request before its connection is known.
    differ_in_reuse: bool,
}

/// Where a policy stands: small, for each connection keeps one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place(u16);

impl Place {
    const DEFAULT: Self = Self(u16::MAX);
}

impl Policies {
    pub(crate) fn set_default(&mut self, policy: KeepAlivePolicy) {
        self.default = policy;
        let reuse = |(_, policy): &(_, KeepAlivePolicy)| policy.reuse != self.default.reuse;
        self.differ_in_reuse = self.of_some.iter().any(reuse);
    }

    /// For those that match, and no other that was told before.
    pub(crate) fn add(&mut self, matcher: OriginMatcher, policy: KeepAlivePolicy) {
        self.differ_in_reuse |= policy.reuse != self.default.reuse;
        self.of_some.push((matcher, policy));
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        self.default.check()?;
        if self.of_some.len() >= usize::from(Place::DEFAULT.0) {
            return Err(PolicyError::new(Expected::FewerPolicies));
        }
        self.of_some.iter().try_for_each(|(matcher, policy)| {
            matcher.check()?;
            let wrong = |error: PolicyError| error.of(&matcher.to_string());
            policy.check().map_err(wrong)
        })
    }

    pub(crate) fn of_others(&self) -> &KeepAlivePolicy {
        &self.default
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &KeepAlivePolicy> {
        let of_some = self.of_some.iter().map(|(_, policy)| policy);
        std::iter::once(&self.default).chain(of_some)
    }

    /// Where that of the origin stands.
    pub(crate) fn place(&self, origin: Option<&Origin>) -> Place {
        let matches = |origin| {
            let mut matchers = self.of_some.iter();
            matchers.position(|(matcher, _)| matcher.matches(origin))
        };
        origin
            .and_then(matches)
            .and_then(|place| u16::try_from(place).ok())
            .map_or(Place::DEFAULT, Place)
    }

    #[inline]
    pub(crate) fn at(&self, place: Place) -> &KeepAlivePolicy {
        if place == Place::DEFAULT {
            return &self.default;
        }
        let of_origin = self.of_some.get(usize::from(place.0));
        of_origin.map_or(&self.default, |(_, policy)| policy)
    }

    pub(crate) fn of(&self, origin: Option<&Origin>) -> &KeepAlivePolicy {
        self.at(self.place(origin))
    }

    /// Whether connections to the origin are reused at all. To build an origin costs more than to see
    /// that it cannot matter, so it is asked for only then.
    pub(crate) fn allow_reuse(&self, origin: impl FnOnce() -> Option<Origin>) -> bool {
        if self.differ_in_reuse {
            self.of(origin().as_ref()).reuse
        } else {
            self.default.reuse
        }
    }
}
