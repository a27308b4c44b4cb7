//! A client that needs no assembly.
//!
//! [`ClientBuilder`] puts together what everybody who wants HTTPS puts together by hand: hyper-util's
//! client, over this crate's connector, over hyper-rustls', with this crate's layer around it.
//! Nothing in here is out of reach of those who do it themselves; [`HttpsClient`] only names it.

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
/// Its parts stay in reach: [`get_ref`](KeepAliveService::get_ref) lends hyper-util's client, and
/// [`keep_alive`](KeepAliveService::keep_alive) what the parts share. Its error is that of hyper-util's
/// client; what the connector had to say is found through `source()`.
pub type HttpsClient<B> = KeepAliveService<Client<HttpsClientConnector, B>>;

/// The connector of a [`HttpsClient`], for clients made by hand:
/// [`ClientBuilder::connector`] gives it.
pub type HttpsClientConnector = IdleAwareConnector<HttpsConnector<HttpConnector>>;
