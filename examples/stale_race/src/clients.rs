//! The clients that run against each other.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use http_keepalive::{KeepAlive, KeepAlivePolicy, Learn};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use crate::handshake::HandshakeLayer;
use crate::scenario::Scenario;
use crate::support::client::{guarded, plain, plain_with_idle_timeout};

/// The clients there are to choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ClientName {
    /// As it comes
    HyperUtil,
    /// With a `pool_idle_timeout` that is a second less than the server's timeout, or than 5 s where
    /// nobody is told that
    #[value(name = "hyper-util-minus-1s")]
    HyperUtilMinus1s,
    /// As it comes
    Reqwest,
    /// hyper-util with http-keepalive, as it comes
    HttpKeepalive,
    /// hyper-util with http-keepalive and a margin of 100 ms, told the server's timeout unless nobody is
    #[value(name = "http-keepalive-100ms")]
    HttpKeepaliveMargin100Ms,
    /// hyper-util with http-keepalive, `Learn::Full` and a margin of 100 ms; what one user's
    /// client learns, all know
    HttpKeepaliveLearned,
}

/// What `pool_idle_timeout` is less than the server's timeout.
const LESS: Duration = Duration::from_secs(1);

/// The margin of the clients that reuse connections for as long as is safe.
const MARGIN: Duration = Duration::from_millis(100);

/// The timeout that http-keepalive expects of a server that says nothing, and who configures a pool
/// without knowing more: the default of `KeepAlivePolicy::max_idle`.
const GUESS: Duration = Duration::from_secs(5);

/// One user's client: makes an exchange, and tells how long the response's body was.
pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, usize, BoxError>;

pub type BoxError = Box<dyn Error + Send + Sync>;

impl ClientName {
    /// The name for people, on that link.
    pub fn label(self, scenario: &Scenario) -> &'static str {
        match self {
            Self::HyperUtil => "hyper-util",
            Self::HyperUtilMinus1s if scenario.is_told => "hyper-util, T − 1 s",
            Self::HyperUtilMinus1s => "hyper-util, 5 s − 1 s",
            Self::Reqwest => "reqwest",
            Self::HttpKeepalive => "http-keepalive",
            Self::HttpKeepaliveMargin100Ms => "http-keepalive, 100 ms",
            Self::HttpKeepaliveLearned => "http-keepalive, learned",
        }
    }

    /// A client for one user; `process` is what its process has learned.
    pub fn client(self, scenario: &Scenario, process: &KeepAlive) -> Result<Client, String> {
        let handshake = HandshakeLayer {
            round_trip: scenario.round_trip(),
        };
        let connector = handshake.layer(HttpConnector::new());
        Ok(match self {
            Self::HyperUtil => boxed(plain(connector)),
            Self::HyperUtilMinus1s => {
                let expected = if scenario.is_told {
                    scenario.idle_timeout
                } else {
                    GUESS
                };
                boxed(plain_with_idle_timeout(
                    connector,
                    expected.saturating_sub(LESS),
                ))
            }
            Self::Reqwest => boxed_reqwest(
                reqwest::Client::builder()
                    // The proxy of the environment is not to be on the way to this process.
                    .no_proxy()
                    .connector_layer(handshake)
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
            Self::HttpKeepalive => boxed(guarded(&KeepAlive::default(), connector)),
            Self::HttpKeepaliveMargin100Ms => {
                let mut policy = KeepAlivePolicy::default().safety_margin(MARGIN);
                if scenario.is_told {
                    policy = policy.max_idle(scenario.idle_timeout);
                }
                let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
                boxed(guarded(&keep_alive, connector))
            }
            Self::HttpKeepaliveLearned => boxed(guarded(process, connector)),
        })
    }
}

/// What all users of one client on one link share, as they would in one process. Only
/// [`ClientName::HttpKeepaliveLearned`] uses it.
pub fn process() -> Result<KeepAlive, String> {
    let policy = KeepAlivePolicy::default()
        .learn(Learn::Full)
        .safety_margin(MARGIN);
    KeepAlive::new(policy).map_err(|error| error.to_string())
}

fn boxed<S, B>(client: S) -> Client
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(
        client
            .map_err(Into::into)
            .and_then(|response: Response<B>| length(response.into_body())),
    )
}

/// reqwest has types of its own around those of `http`.
fn boxed_reqwest(client: reqwest::Client) -> Client {
    BoxCloneSyncService::new(
        client
            .map_err(BoxError::from)
            .map_request(|request: Request<Full<Bytes>>| {
                let request = request.map(reqwest::Body::wrap);
                reqwest::Request::try_from(request).expect("its URI is a URL")
            })
            .map_response(Response::<reqwest::Body>::from)
            .and_then(|response: Response<_>| length(response.into_body())),
    )
}

/// Reads a body to its end.
async fn length<B>(body: B) -> Result<usize, BoxError>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let mut body = std::pin::pin!(body);
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Into::into)?;
        length += frame.data_ref().map_or(0, bytes::Buf::remaining);
    }
    Ok(length)
}
