//! What can be set of the policy.

use std::time::Duration;

use http::{HeaderName, Request};
use tower::retry::budget::TpsBudget;

use super::error::{Expected, ReplayError};
use super::policy::{ReplayPolicy, Rule, Settings};

/// Builds a [`ReplayPolicy`]; made by [`ReplayPolicy::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct ReplayPolicyBuilder {
    settings: Settings,
    /// The first setting that is out of its range.
    error: Option<ReplayError>,
}

impl ReplayPolicyBuilder {
    /// Adds a request field by whose value the server knows a request that it has executed already, besides
    /// `Idempotency-Key` and `X-Idempotency-Key`: a request that carries it is taken for idempotent.
    ///
    /// [`build`](Self::build) fails if that is no name of a field.
    pub fn key_field(mut self, name: &str) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.settings.keys.push(name),
            Err(_) => self.fail(Expected::FieldName(name.into())),
        }
        self
    }

    /// A rule for further requests that are idempotent: `POST /search`, say. Called with the request as it was, less
    /// its body, after it was [`Stale`](crate::RequestOutcome::Stale), and only if neither its method nor a key
    /// makes it idempotent. The default is none.
    ///
    /// ```
    /// use http_keepalive::ReplayPolicy;
    ///
    /// let policy = ReplayPolicy::builder()
    ///     .idempotent_if(|request| request.uri().path() == "/search")
    ///     .build()?;
    /// # let _ = policy;
    /// # Ok::<(), http_keepalive::ReplayError>(())
    /// ```
    pub fn idempotent_if(
        mut self,
        rule: impl Fn(&Request<()>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.rule = Some(Rule(Box::new(rule)));
        self
    }

    /// How many requests are sent again, by all clones of the policy together: `per_second`, and a `share` of
    /// the responses, both of the last `span`. The default is 10 per second, and a share of 0.2, of 10 s.
    ///
    /// It is tower's [`TpsBudget`], which rounds the share: below one, to a whole number of responses for each repeat.
    /// A server that does not answer is sent no more than its requests and `per_second`.
    ///
    /// [`build`](Self::build) fails if both are zero, for a `span` outside of 1 s to 60 s, a share that is not from
    /// 0.0 to 1000.0, and for 2147483647 per second or more.
    pub fn budget(mut self, span: Duration, per_second: u32, share: f32) -> Self {
        match checked_budget(span, per_second, share) {
            Ok(budget) => self.settings.budget = budget,
            Err(expected) => self.fail(expected),
        }
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn build(self) -> Result<ReplayPolicy, ReplayError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(ReplayPolicy::with(self.settings)),
        }
    }

    fn fail(&mut self, expected: Expected) {
        self.error.get_or_insert_with(|| ReplayError::new(expected));
    }
}

/// tower's own constructor panics.
fn checked_budget(span: Duration, per_second: u32, share: f32) -> Result<TpsBudget, Expected> {
    if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&span) {
        return Err(Expected::BudgetSpan);
    }
    if !(0.0..=1000.0).contains(&share) {
        return Err(Expected::BudgetShare);
    }
    if per_second >= i32::MAX.unsigned_abs() {
        return Err(Expected::BudgetPerSecond);
    }
    if per_second == 0 && share == 0.0 {
        return Err(Expected::BudgetAboveNothing);
    }
    Ok(TpsBudget::new(span, per_second, share))
}
