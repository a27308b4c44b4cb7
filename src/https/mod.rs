//! A client that needs no assembly.
//!
//! [`ClientBuilder`] assembles an HTTPS client: hyper-util's client, over this crate's connector, over
//! hyper-rustls', with this crate's layer around it. All of its parts are public; [`HttpsClient`] only
//! names their type.

mod builder;
mod roots;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;

pub use self::builder::ClientBuilder;
use crate::client::KeepAliveService;
use crate::connect::IdleAwareConnector;

/// The ready-made client, made by [`KeepAlive::client`](crate::KeepAlive::client): a tower service,
/// cheap to clone. Clones share connections.
///
/// [`get_ref`](KeepAliveService::get_ref) returns hyper-util's client,
/// [`keep_alive`](KeepAliveService::keep_alive) what the parts share. The error is hyper-util's; `source()`
/// leads to that of the connector.
pub type HttpsClient<B> = KeepAliveService<Client<HttpsClientConnector, B>>;

/// The connector of a [`HttpsClient`]; made by [`ClientBuilder::connector`], for a client of one's own.
pub type HttpsClientConnector = IdleAwareConnector<HttpsConnector<HttpConnector>>;
