//! The builder.

use std::io;

use hyper_rustls::HttpsConnectorBuilder;
use hyper_rustls::builderstates::WantsSchemes;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_layer::Layer;

use super::roots::Roots;
use super::{HttpsClient, HttpsClientConnector};
use crate::keep_alive::KeepAlive;
use crate::pool::{Client, PoolSettings};

/// Builds a [`HttpsClient`]; made by [`KeepAlive::client`].
///
/// The defaults:
///
/// 1. TLS 1.2 and 1.3 by rustls, with the roots of the platform. `http://` works too.
/// 2. HTTP/1.1. With [`http2`](Self::http2), HTTP/2 if the server chooses it.
/// 3. This crate's own pool, with the defaults of [`PoolSettings`].
/// 4. The process's default `CryptoProvider` of rustls if one is installed, otherwise ring.
///
/// ```no_run
/// use http_keepalive::KeepAlive;
/// use tower::ServiceExt;
///
/// # async fn fetch() -> Result<(), Box<dyn std::error::Error>> {
/// let client = KeepAlive::default().client().build()?;
/// let request = http::Request::get("https://example.com/").body(String::new())?;
/// let response = client.oneshot(request).await?;
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct HttpsClientBuilder {
    keep_alive: KeepAlive,
    roots: Roots,
    https_only: bool,
    http2: bool,
    tcp: HttpConnector,
    pool: PoolSettings,
}

impl KeepAlive {
    /// A client that needs no assembly: HTTPS by rustls, and this crate's connector, pool and layer.
    ///
    /// Clients of one `KeepAlive` share policy and numbers, and have a pool each.
    pub fn client(&self) -> HttpsClientBuilder {
        let mut tcp = HttpConnector::new();
        // The connector around it handles the other schemes.
        tcp.enforce_http(false);
        HttpsClientBuilder {
            keep_alive: self.clone(),
            roots: Roots::default(),
            https_only: false,
            http2: false,
            tcp,
            pool: PoolSettings::new(self),
        }
    }
}

impl HttpsClientBuilder {
    /// Trusts the platform's root certificates. This is the default.
    ///
    /// [`build`](Self::build) reads them. The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name
    /// others.
    pub fn platform_roots(mut self) -> Self {
        self.roots = Roots::Platform;
        self
    }

    /// Trusts Mozilla's root certificates, which are compiled in.
    pub fn webpki_roots(mut self) -> Self {
        self.roots = Roots::Webpki;
        self
    }

    /// Uses this TLS configuration:
    /// `HttpsConnectorBuilder::new().with_tls_config(config)`.
    pub fn tls(mut self, builder: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        self.roots = Roots::Own(Box::new(builder));
        self
    }

    /// Whether `http://` is refused. It is not by default.
    pub fn https_only(mut self, only: bool) -> Self {
        self.https_only = only;
        self
    }

    /// Whether HTTP/2 is offered to servers (by ALPN). It is not by default: this crate acts on HTTP/1.1
    /// only, and forwards HTTP/2.
    ///
    /// The pool closes an HTTP/2 connection that has been idle for
    /// [`http2_idle_timeout`](PoolSettings::http2_idle_timeout), unless its server does so before.
    pub fn http2(mut self, offered: bool) -> Self {
        self.http2 = offered;
        self
    }

    /// Configures TCP: timeouts, keep-alive probes, addresses to bind to.
    ///
    /// `enforce_http` must stay off.
    pub fn tcp(mut self, set: impl FnOnce(&mut HttpConnector)) -> Self {
        set(&mut self.tcp);
        self
    }

    /// Configures the pool, and the protocols under it.
    ///
    /// ```
    /// # let keep_alive = http_keepalive::KeepAlive::default();
    /// let builder = keep_alive.client().pool(|pool| {
    ///     pool.max_idle_per_origin(20);
    /// });
    /// # let _ = builder;
    /// ```
    pub fn pool(mut self, set: impl FnOnce(&mut PoolSettings)) -> Self {
        set(&mut self.pool);
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// If no certificate of the platform could be read; the text says why.
    pub fn build<B>(self) -> io::Result<HttpsClient<B>> {
        let (keep_alive, pool) = (self.keep_alive.clone(), self.pool.clone());
        Ok(keep_alive
            .layer()
            .layer(Client::new(self.connector()?, pool)))
    }

    /// Builds only the connector, for a client or a pool of one's own. What was set of the pool is not used.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn connector(self) -> io::Result<HttpsClientConnector> {
        let tls = self.roots.load()?;
        let tls = if self.https_only {
            tls.https_only()
        } else {
            tls.https_or_http()
        };
        let connector = if self.http2 {
            tls.enable_all_versions().wrap_connector(self.tcp)
        } else {
            tls.enable_http1().wrap_connector(self.tcp)
        };
        Ok(self.keep_alive.connector(connector))
    }
}
