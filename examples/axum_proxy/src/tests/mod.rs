//! What the proxy promises.
