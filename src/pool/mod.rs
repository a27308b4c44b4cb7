//! A client with a pool of its own.
//!
//! [`Client`] sends requests; [`Hosts`](hosts::Hosts) finds the [`Host`](host::Host) of one, which has its idle
//! connections and the queue; `connect` opens more of them. A [`Connection`](connection::Connection) is driven by the request
//! that is on it, and by a task of its own at all other times: [`Driver`](driver::Driver) has the one woken that
//! does.

mod builder;
mod client;
mod connect;
mod connection;
mod driver;
mod host;
mod hosts;
#[cfg(feature = "http2")]
mod http2;
mod request;
mod settings;
mod stats;
mod timeout;

pub use self::builder::ClientBuilder;
pub use self::client::{Client, ClientFuture};
pub use self::settings::PoolSettings;
pub use self::stats::PoolStats;
