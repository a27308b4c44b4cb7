//! What the tests themselves stand on: a link that delivered too early, or a server that closed too late,
//! would prove nothing.

mod link;
mod server;
