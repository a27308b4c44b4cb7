//! The builder.

use std::io;
use std::time::Duration;

use hyper::body::Body;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_rustls::builderstates::WantsSchemes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_layer::Layer;

use super::roots::Roots;
use super::{HttpsClient, HttpsClientConnector};
use crate::policy::{KeepAlivePolicy, Learn};
use crate::shared::KeepAlive;

/// Builds a [`HttpsClient`]; made by [`KeepAlive::client`].
///
/// What it sets up, unless told otherwise:
///
/// 1. TLS 1.2 and 1.3 by rustls, with the roots of the platform. `http://` works too.
/// 2. HTTP/1.1. HTTP/2 on request, where the server chooses it.
/// 3. hyper-util's pool with a timer, and with an idle timeout that is no shorter than what any
///    policy may allow: on HTTP/1.1 the deadlines of this crate decide, and close.
/// 4. The process's default `CryptoProvider` of rustls where one is installed, and ring otherwise.
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
pub struct ClientBuilder {
    keep_alive: KeepAlive,
    roots: Roots,
    https_only: bool,
    http2: bool,
    tcp: HttpConnector,
    pool: legacy::Builder,
}

impl KeepAlive {
    /// A client that needs no assembly: HTTPS by rustls, this crate's connector and layer, and
    /// hyper-util's client and pool.
    ///
    /// Clients of one `KeepAlive` share policy and numbers, and have a pool each.
    pub fn client(&self) -> ClientBuilder {
        let mut tcp = HttpConnector::new();
        // What is not `http` is sorted out by the connector around it.
        tcp.enforce_http(false);
        let mut pool = Client::builder(TokioExecutor::new());
        pool.timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(longest_idle(self.policies().all()));
        ClientBuilder {
            keep_alive: self.clone(),
            roots: Roots::default(),
            https_only: false,
            http2: false,
            tcp,
            pool,
        }
    }
}

impl ClientBuilder {
    /// Believes the certificates that the platform does. This is the default.
    ///
    /// They are read by [`build`](Self::build). `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment
    /// name others.
    pub fn platform_roots(mut self) -> Self {
        self.roots = Roots::Platform;
        self
    }

    /// Believes the certificates that Mozilla does, as compiled in, wherever this runs.
    pub fn webpki_roots(mut self) -> Self {
        self.roots = Roots::Webpki;
        self
    }

    /// Takes a TLS configuration of one's own:
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

    /// Whether servers are offered HTTP/2 (by ALPN). They are not by default: the keep-alive of this
    /// crate is HTTP/1.1's, and HTTP/2 is only forwarded.
    ///
    /// HTTP/2 connections are closed by the pool, when they have been idle as long as the policy
    /// allows any, or by their servers.
    pub fn http2(mut self, offered: bool) -> Self {
        self.http2 = offered;
        self
    }

    /// Sets up how TCP connects: timeouts, keep-alive probes, addresses to bind to.
    ///
    /// `enforce_http` must stay off.
    pub fn tcp(mut self, set: impl FnOnce(&mut HttpConnector)) -> Self {
        set(&mut self.tcp);
        self
    }

    /// Sets up hyper-util's client, pool and protocols.
    ///
    /// `retry_canceled_requests` must stay on, and a `pool_idle_timeout` set here closes what the
    /// policy would keep.
    ///
    /// ```
    /// # let keep_alive = http_keepalive::KeepAlive::default();
    /// let builder = keep_alive.client().pool(|client| {
    ///     client.pool_max_idle_per_host(20);
    /// });
    /// # let _ = builder;
    /// ```
    pub fn pool(mut self, set: impl FnOnce(&mut legacy::Builder)) -> Self {
        set(&mut self.pool);
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// Where the platform has no certificate that could be read; the text says what was wrong.
    pub fn build<B>(self) -> io::Result<HttpsClient<B>>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let (keep_alive, pool) = (self.keep_alive.clone(), self.pool.clone());
        Ok(keep_alive.layer().layer(pool.build(self.connector()?)))
    }

    /// Builds only the connector, for a client, or a pool, of one's own.
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

/// No connection is to be idle for longer; `None` where the policy sets no end. hyper-util adds it to
/// an instant, so it must not be too long for that.
fn longest_idle<'a>(policies: impl Iterator<Item = &'a KeepAlivePolicy>) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let longest = policies.map(|policy| {
        let longest = policy.max_idle.max(policy.hint_ceiling);
        match policy.learn {
            Learn::Full => longest.max(policy.learn_ceiling),
            Learn::Off | Learn::Shorten => longest,
        }
    });
    longest.max().filter(|longest| *longest <= DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_connections_as_long_as_any_policy_may_allow() {
        const SECOND: Duration = Duration::from_secs(1);
        let policy = KeepAlivePolicy::default();
        let longest = |policies: &[KeepAlivePolicy]| longest_idle(policies.iter());

        assert_eq!(
            longest(&[policy]),
            Some(600 * SECOND),
            "the ceiling of hints"
        );
        let full = policy.learn(Learn::Full).learn_ceiling(3600 * SECOND);
        assert_eq!(longest(&[policy, full]), Some(3600 * SECOND));
        let shorten = full.learn(Learn::Shorten);
        assert_eq!(longest(&[policy, shorten]), Some(600 * SECOND));
        let patient = policy.max_idle(7200 * SECOND);
        assert_eq!(longest(&[patient, full]), Some(7200 * SECOND));
        assert_eq!(longest(&[policy.max_idle(Duration::MAX), policy]), None);
    }
}
