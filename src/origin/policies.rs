//! Which policy holds for which origin.

use super::{Origin, OriginMatcher};
use crate::error::{Expected, PolicyError};
use crate::policy::KeepAlivePolicy;

/// The policies of some origins, and the default for all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    default: KeepAlivePolicy,
    /// The first that matches an origin is its policy.
    overrides: Vec<(OriginMatcher, KeepAlivePolicy)>,
    /// Whether policies differ in `reuse`, which the layer needs before a request has a connection.
    differ_in_reuse: bool,
}

/// The index of the policy that a connection follows. Small, since each connection has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PolicyIndex(u16);

impl PolicyIndex {
    const DEFAULT: Self = Self(u16::MAX);
}

impl Policies {
    pub(crate) fn set_default(&mut self, policy: KeepAlivePolicy) {
        self.default = policy;
        let reuse = |(_, policy): &(_, KeepAlivePolicy)| policy.reuse != self.default.reuse;
        self.differ_in_reuse = self.overrides.iter().any(reuse);
    }

    /// Adds a policy for the origins that match, unless an earlier one does.
    pub(crate) fn add(&mut self, matcher: OriginMatcher, policy: KeepAlivePolicy) {
        self.differ_in_reuse |= policy.reuse != self.default.reuse;
        self.overrides.push((matcher, policy));
    }

    /// Checks every policy and matcher.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        self.default.check()?;
        if self.overrides.len() >= usize::from(PolicyIndex::DEFAULT.0) {
            return Err(PolicyError::new(Expected::FewerPolicies));
        }
        self.overrides.iter().try_for_each(|(matcher, policy)| {
            matcher.check()?;
            let wrong = |error: PolicyError| error.with_matcher(&matcher.to_string());
            policy.check().map_err(wrong)
        })
    }

    /// The policy of origins without one of their own.
    pub(crate) fn default_policy(&self) -> &KeepAlivePolicy {
        &self.default
    }

    /// All policies.
    pub(crate) fn all(&self) -> impl Iterator<Item = &KeepAlivePolicy> {
        let overrides = self.overrides.iter().map(|(_, policy)| policy);
        std::iter::once(&self.default).chain(overrides)
    }

    /// The index of an origin's policy.
    pub(crate) fn index(&self, origin: Option<&Origin>) -> PolicyIndex {
        let matches = |origin| {
            let mut matchers = self.overrides.iter();
            matchers.position(|(matcher, _)| matcher.matches(origin))
        };
        origin
            .and_then(matches)
            .and_then(|index| u16::try_from(index).ok())
            .map_or(PolicyIndex::DEFAULT, PolicyIndex)
    }

    #[inline]
    pub(crate) fn at(&self, index: PolicyIndex) -> &KeepAlivePolicy {
        let found = self.overrides.get(usize::from(index.0));
        found.map_or(&self.default, |(_, policy)| policy)
    }

    /// The policy of an origin.
    pub(crate) fn of(&self, origin: Option<&Origin>) -> &KeepAlivePolicy {
        self.at(self.index(origin))
    }

    /// Whether connections to an origin are reused at all. Builds the origin only if policies differ in
    /// that.
    pub(crate) fn allow_reuse(&self, origin: impl FnOnce() -> Option<Origin>) -> bool {
        if self.differ_in_reuse {
            self.of(origin().as_ref()).reuse
        } else {
            self.default.reuse
        }
    }
}
