//! What is learned from servers.

/// What is learned from connections that a server closes, or keeps open.
///
/// A server that closes an idle connection shows its timeout, more or less; a request that fails
/// on a reused connection shows that the timeout is no longer than that. Both are kept per origin, and
/// expected of the origin from then on. A later connection that is used, or is still open, after a longer
/// time shows that the close was an accident, such as a deploy.
///
/// A single close changes nothing where other connections were open for longer, until a second close agrees
/// with it. A failed request always counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Learn {
    /// Nothing is learned of timeouts.
    Off,
    /// What is learned only shortens what policy and hint allow. The default.
    ///
    /// Where it does, one connection to that origin is left open when it is not used any more: a sentinel.
    /// It tells an accident from a timeout, and shows whether the server waits longer by now. It stays
    /// open until the server closes it, or until the later of two times: when policy and hint would
    /// have closed it, and a quarter longer than what was learned. No request is sent on it.
    #[default]
    Shorten,
    /// Where a server gives no hint, what is learned also lengthens what is allowed: to the timeout that
    /// is known, or to the longest time that a connection was left open for, at most
    /// [`learn_ceiling`](crate::KeepAlivePolicy::learn_ceiling).
    ///
    /// To learn it, one connection to each such origin is left open when it is not used any more, until
    /// the server closes it or the ceiling is reached. No request is sent on it. That is one idle
    /// socket per origin, and never more than
    /// [`sentinels`](crate::KeepAliveBuilder::sentinels) in all.
    Full,
}
