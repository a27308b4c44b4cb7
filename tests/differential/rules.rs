//! What has to hold whenever everybody is at rest.

use super::client::Standing;

/// What is to be seen of a connection, at rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// What hyper would do with another request.
    pub(super) hyper: Standing,
    /// Whether the handle says that no exchange is open.
    pub(super) idle: bool,
    /// Whether the handle says that the connection is not to be used again.
    pub(super) is_over: bool,
    /// Whether the connection is not followed any more.
    pub(super) is_opaque: bool,
    /// Whether hyper has something to write that is not out.
    pub(super) is_blocked: bool,
    /// Whether hyper waits for what it wrote to be flushed.
    pub(super) is_flush_pending: bool,
    /// Whether somebody waits for a response, or for more of one.
    pub(super) is_awaited: bool,
    /// Whether a caller does not take what it could.
    pub(super) is_held_up: bool,
    /// Whether everything so far was as it should be.
    pub(super) is_well_formed: bool,
    /// Whether hyper was brought to write another request than it counts.
    pub(super) is_miscounted: bool,
    /// Whether the timer could tell when it was time.
    pub(super) is_timed: bool,
}

impl Facts {
    /// The rule that is broken, if one is.
    pub(super) fn broken(&self) -> Option<&'static str> {
        let is_ready = self.hyper == Standing::Ready;
        let is_settled = is_ready && !self.is_blocked;
        // A flush that does not end keeps hyper from the next request and from closing, but not its
        // caller from the response.
        let is_waiting = self.hyper == Standing::Waiting && !self.is_flush_pending;
        let is_awaited = self.is_awaited && !self.is_flush_pending;
        if self.idle && is_waiting && !self.is_held_up {
            Some("soundness: idle, but hyper waits for more of the response")
        } else if self.idle && self.is_blocked {
            Some("soundness: idle, but the request is not out")
        } else if self.idle && is_awaited {
            Some("soundness: idle, but a caller waits")
        } else if is_settled && self.is_well_formed && !self.idle {
            Some("completeness: hyper would take another request, but not idle")
        } else if is_settled && !self.idle && !self.is_opaque && !self.is_miscounted {
            Some("completeness: hyper would take another request, but an exchange is open")
        } else if is_ready && self.is_over && self.is_timed {
            Some("liveness: not to be used again, but still open")
        } else {
            None
        }
    }
}

/// These rules can be broken.
#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Facts = Facts {
        hyper: Standing::Ready,
        idle: true,
        is_over: false,
        is_opaque: false,
        is_blocked: false,
        is_flush_pending: false,
        is_awaited: false,
        is_held_up: false,
        is_well_formed: true,
        is_miscounted: false,
        is_timed: true,
    };
    const BUSY: Facts = Facts {
        hyper: Standing::Waiting,
        idle: false,
        is_awaited: true,
        ..IDLE
    };

    #[test]
    fn what_should_be_breaks_no_rule() {
        for facts in [
            IDLE,
            BUSY,
            Facts {
                hyper: Standing::Closed,
                is_over: true,
                ..IDLE
            },
            Facts {
                hyper: Standing::Waiting,
                is_held_up: true,
                ..IDLE
            },
            Facts {
                is_opaque: true,
                is_well_formed: false,
                idle: false,
                ..IDLE
            },
        ] {
            assert_eq!(facts.broken(), None, "{facts:?}");
        }
    }

    #[test]
    fn each_rule_can_be_broken() {
        for (rule, facts) in [
            (
                "soundness: idle, but hyper waits",
                Facts { idle: true, ..BUSY },
            ),
            (
                "soundness: idle, but the request",
                Facts {
                    is_blocked: true,
                    ..IDLE
                },
            ),
            (
                "soundness: idle, but a caller",
                Facts {
                    is_awaited: true,
                    ..IDLE
                },
            ),
            (
                "completeness: hyper would take another request, but not",
                Facts {
                    idle: false,
                    is_opaque: true,
                    ..IDLE
                },
            ),
            (
                "completeness: hyper would take another request, but an",
                Facts {
                    idle: false,
                    is_well_formed: false,
                    ..IDLE
                },
            ),
            (
                "liveness",
                Facts {
                    is_over: true,
                    ..IDLE
                },
            ),
        ] {
            let broken = facts.broken().unwrap_or_default();
            assert!(broken.starts_with(rule), "{facts:?}: {broken}");
        }
    }
}
