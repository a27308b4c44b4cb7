//! What the proxy promises, in virtual time over links in this process.

mod failures;
mod fields;
mod race;
mod streams;
mod websocket;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use http::uri::Authority;
use http::{Request, Response, Uri};
use http_keepalive::{IdleAwareConnector, KeepAlivePolicy};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::Connect;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use crate::clients::{guarded, plain};
use crate::listener;
use crate::proxy::{Client, Proxy};
use crate::support::client::keep_alive;
use crate::support::wire::WireConnector;

/// A proxy that is served, until it is dropped.
struct Front {
    connector: WireConnector,
    _tasks: JoinSet<()>,
}

impl Front {
    /// With this crate between the proxy and the upstream.
    fn before<C>(upstream: C) -> Self
    where
        C: Service<Uri>,
        IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
    {
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        Self::with(guarded(&keep_alive, upstream))
    }

    fn with(client: impl Client) -> Self {
        let proxy = Proxy::new(client, Authority::from_static("upstream.test"));
        let address = SocketAddr::from(([192, 0, 2, 1], 5_000));
        let router = proxy.router().layer(MockConnectInfo(address));
        let mut tasks = JoinSet::new();
        let connector = listener::serve(router, &mut tasks);
        Self {
            connector,
            _tasks: tasks,
        }
    }

    /// What the proxy answers, as soon as its head is there.
    async fn ask(&self, request: Request<Body>) -> Response<Incoming> {
        soon(plain(self.connector.clone()).oneshot(request))
            .await
            .unwrap()
    }
}

fn get(path: &str) -> Request<Body> {
    let uri = format!("http://proxy.test{path}");
    Request::get(uri).body(Body::empty()).unwrap()
}

/// What would wait for ever is a failure, after an hour of virtual time.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let hour = Duration::from_secs(3_600);
    timeout(hour, what).await.expect("nothing more happens")
}

type BoxError = Box<dyn Error + Send + Sync>;
