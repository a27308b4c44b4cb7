//! A client that needs no assembly.
//!
//! [`HttpsClientBuilder`] assembles an HTTPS client: this crate's [`Client`], over its connector, over
//! hyper-rustls', with this crate's layer around it. All of its parts are public; [`HttpsClient`] only
//! names their type.

mod builder;
mod roots;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;

pub use self::builder::HttpsClientBuilder;
use crate::client::KeepAliveService;
use crate::connect::IdleAwareConnector;
use crate::pool::Client;

/// The ready-made client, made by [`KeepAlive::client`](crate::KeepAlive::client): a tower service,
/// cheap to clone. Clones share connections.
///
/// [`get_ref`](KeepAliveService::get_ref) returns the client without the layer,
/// [`keep_alive`](KeepAliveService::keep_alive) what the parts share. The error is a [`ClientError`](crate::ClientError).
pub type HttpsClient<B> = KeepAliveService<Client<HttpsConnector<HttpConnector>, B>>;

/// The connector of a [`HttpsClient`]; made by [`HttpsClientBuilder::connector`], for a client of one's own.
pub type HttpsClientConnector = IdleAwareConnector<HttpsConnector<HttpConnector>>;
