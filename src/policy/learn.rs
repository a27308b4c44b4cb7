//! What is learned from servers.

/// What is learned from how a server ends connections.
///
/// A request that fails on a reused connection shows that the server's timeout is no longer than the connection had
/// been idle; so do two idle connections that the server closes after the same time. Both are kept per origin, and
/// expected of the origin from then on. An answer after a longer time shows that it was otherwise. The page
/// [`guide::learning`](crate::guide::learning) has the rules.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Learn {
    /// Nothing is learned of timeouts.
    Off,
    /// What is learned only shortens what policy and hint allow. The default. No connection is left open for it.
    #[default]
    Shorten,
    /// Where a server gives no hint, what is learned also lengthens what is allowed, to the timeout that the server
    /// is known to have, at most [`learn_ceiling`](crate::KeepAlivePolicy::learn_ceiling).
    ///
    /// To learn it, one connection to each such origin is left open when it is not used any more, until the server
    /// closes it or the ceiling is reached: a sentinel. No request is sent on it. That is one idle socket per origin,
    /// and never more than [`sentinels`](crate::KeepAliveBuilder::sentinels) in all. A server that was not seen to
    /// answer on another connection meanwhile is left none, since it may have only one worker.
    Full,
}
