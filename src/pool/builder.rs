//! The client's builder.

use super::client::Client;
use super::settings::PoolSettings;
use crate::client::KeepAliveService;
use crate::keep_alive::KeepAlive;
use tower_layer::Layer;

/// Builds a [`Client`]; made by [`KeepAlive::client_over`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder<C> {
    keep_alive: KeepAlive,
    connector: C,
    settings: PoolSettings,
}

impl KeepAlive {
    /// A client over any connector for hyper, with this crate's own pool.
    ///
    /// The connector is wrapped as by [`connector`](Self::connector), and the client as by [`layer`](Self::layer).
    /// Clients of one `KeepAlive` share policy and numbers, and have a pool each.
    ///
    /// ```
    /// use http_keepalive::KeepAlive;
    /// use hyper_util::client::legacy::connect::HttpConnector;
    ///
    /// let client = KeepAlive::default().client_over(HttpConnector::new()).build::<String>();
    /// # let _ = client;
    /// ```
    pub fn client_over<C>(&self, connector: C) -> ClientBuilder<C> {
        ClientBuilder {
            keep_alive: self.clone(),
            connector,
            settings: PoolSettings::new(self),
        }
    }
}

impl<C> ClientBuilder<C> {
    /// Configures the pool, and the protocols under it.
    ///
    /// ```
    /// # use hyper_util::client::legacy::connect::HttpConnector;
    /// # let keep_alive = http_keepalive::KeepAlive::default();
    /// let builder = keep_alive.client_over(HttpConnector::new()).pool(|pool| {
    ///     pool.max_idle_per_origin(20);
    /// });
    /// # let _ = builder;
    /// ```
    pub fn pool(mut self, set: impl FnOnce(&mut PoolSettings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// Builds the client, for requests with bodies of type `B`.
    pub fn build<B>(self) -> KeepAliveService<Client<C, B>> {
        let connector = self.keep_alive.connector(self.connector);
        let client = Client::new(connector, self.settings);
        self.keep_alive.layer().layer(client)
    }
}
