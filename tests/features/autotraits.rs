//! What may be done with the public types: sent to other threads, cloned, shown, unpinned.
//!
//! Checked by the compiler; that the traits in question are told apart at all, by the controls at
//! the end, and that no type is missing, by the test behind them.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::marker::PhantomPinned;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use http_keepalive::{
    ClientBuilder, ClientError, ClientErrorKind, ClientFuture, CloseAfterResponse, CloseCause,
    Connecting, ConnectionEvent, ConnectionHandle, ConnectionTask, DeadlineBound, EventKind,
    Evidence, EvidenceKind, Extent, Http1Connecting, Http1Connection, Http1Error, Http1Layer,
    Http1ResponseFuture, IdleAwareConnector, IdleAwareIo, IdleAwareLayer, KeepAlive,
    KeepAliveBuilder, KeepAliveHint, KeepAliveLayer, KeepAlivePolicy, KeepAliveService, Learn,
    MakeHttp1, NotReusable, Observer, OpaqueConnections, OpaqueReason, Origin, OriginMatcher,
    OriginSnapshot, PolicyError, PoolSettings, PoolStats, Provenance, RequestOutcome,
    ResponseFuture, RetireReason, Retired, SafetyMargin, Stats, TaskExecutor,
};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connect, Connection, HttpConnector};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioIo;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tokio::net::TcpStream;
use tower::{Layer, Service};

type Transport = TokioIo<TcpStream>;

/// Neither `Send`, `Sync`, `Unpin`, `Clone` nor `Debug`.
#[allow(dead_code, reason = "only its type is of interest")]
struct Plain(Rc<()>, PhantomPinned);

/// `Send`, and nothing else.
#[allow(dead_code, reason = "only its type is of interest")]
struct Sendable(std::cell::Cell<()>, PhantomPinned);

mod plain_data {
    use super::*;

    assert_impl_all!(KeepAlivePolicy: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(KeepAlivePolicy: Copy, Debug, Default, Eq);
    assert_impl_all!(SafetyMargin: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(SafetyMargin: Copy, Debug, Default, Eq, From<std::time::Duration>);
    assert_impl_all!(KeepAliveHint: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(KeepAliveHint: Copy, Debug, Default, Display, Eq, Hash);
    assert_impl_all!(CloseAfterResponse: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(CloseAfterResponse: Copy, Debug, Default, Eq);
    assert_impl_all!(DeadlineBound: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(DeadlineBound: Copy, Debug, Eq, Hash);
    assert_impl_all!(Extent: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Extent: Copy, Debug, Ord);
    assert_impl_all!(Provenance: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Provenance: Copy, Debug, Eq);
    assert_impl_all!(RequestOutcome: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RequestOutcome: Copy, Debug, Eq, Hash);
    assert_impl_all!(CloseCause: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(CloseCause: Copy, Debug, Eq);
    assert_impl_all!(OpaqueReason: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(OpaqueReason: Copy, Debug, Eq);
    assert_impl_all!(RetireReason: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RetireReason: Copy, Debug, Display, Eq);
    assert_impl_all!(EventKind: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(EventKind: Copy, Debug, PartialEq);
    assert_impl_all!(ConnectionEvent<'_>: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(dyn Observer: Send, Sync);
    assert_impl_all!(Learn: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Learn: Copy, Debug, Default, Eq);
    assert_impl_all!(OriginSnapshot: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(OriginSnapshot: Clone, Debug, Display, PartialEq);
    assert_impl_all!(Evidence: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Evidence: Copy, Debug, PartialEq);
    assert_impl_all!(EvidenceKind: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(EvidenceKind: Copy, Debug, Eq);
    assert_impl_all!(Origin: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Origin: Clone, Debug, Display, Eq, Hash);
    assert_impl_all!(OriginMatcher: Send, Sync, Unpin, Clone, Debug, Display);
    assert_impl_all!(OriginMatcher: From<Origin>, From<Uri>, From<&'static str>, From<String>);
    assert_impl_all!(PolicyError: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(PolicyError: Clone, std::error::Error, Eq);
    assert_impl_all!(Stats: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Stats: Copy, Debug, Default, Eq);
    assert_impl_all!(Retired: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Retired: Copy, Debug, Default, Eq);
    assert_impl_all!(OpaqueConnections: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(OpaqueConnections: Copy, Debug, Default, Eq);
}

mod what_is_shared {
    use super::*;

    assert_impl_all!(KeepAlive: Send, Sync, Unpin, Clone, Debug, Default);
    assert_impl_all!(KeepAliveBuilder: Send, Sync, Unpin, Clone, Debug, Default);
    // In the extensions of responses, which takes `Clone + Send + Sync + 'static`.
    assert_impl_all!(ConnectionHandle: Send, Sync, Unpin, Clone, Debug);
    // They hold a timer and a wall clock of the user's, of which nothing is known.
    assert_not_impl_any!(KeepAlive: UnwindSafe, RefUnwindSafe);
    assert_not_impl_any!(ConnectionHandle: UnwindSafe, RefUnwindSafe);
}

mod layers {
    use super::*;

    assert_impl_all!(KeepAliveLayer: Send, Sync, Unpin, Clone, Debug, Default);
    assert_impl_all!(IdleAwareLayer: Send, Sync, Unpin, Clone, Debug, Default);
    // Around anything.
    assert_impl_all!(KeepAliveLayer: Layer<Plain>);
    assert_impl_all!(IdleAwareLayer: Layer<Plain>);
}

/// What is around something is all that this is, and asks for nothing else of it.
mod wrappers {
    use super::*;

    assert_impl_all!(KeepAliveService<()>: Send, Sync, Unpin, Clone, Debug);
    assert_not_impl_any!(KeepAliveService<Plain>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(KeepAliveService<Sendable>: Send);
    assert_not_impl_any!(KeepAliveService<Sendable>: Sync, Unpin, Clone, Debug);

    assert_impl_all!(ResponseFuture<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(ResponseFuture<Plain>: Send, Sync, Unpin, Debug);
    assert_impl_all!(ResponseFuture<Sendable>: Send);
    assert_impl_all!(ResponseFuture<std::future::Ready<Result<Response<Plain>, Plain>>>: Future);

    assert_impl_all!(IdleAwareConnector<()>: Send, Sync, Unpin, Clone, Debug);
    assert_not_impl_any!(IdleAwareConnector<Plain>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(IdleAwareConnector<Sendable>: Send);

    assert_impl_all!(Connecting<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(Connecting<Plain>: Send, Sync, Unpin, Debug);
    assert_impl_all!(Connecting<Sendable>: Send);
    assert_impl_all!(Connecting<std::future::Ready<Result<Transport, Plain>>>: Future);
    assert_impl_all!(ConnectionTask: Future<Output = ()>, Send, Unpin, Debug);

    assert_impl_all!(IdleAwareIo<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(IdleAwareIo<Plain>: Send, Sync, Unpin, Debug);
    assert_impl_all!(IdleAwareIo<Sendable>: Send);
    // One connection has one owner.
    assert_not_impl_any!(IdleAwareIo<()>: Clone);
    assert_impl_all!(IdleAwareIo<Transport>: hyper::rt::Read, hyper::rt::Write, Connection);
}

/// What hyper-util and tower ask for.
mod in_a_client {
    use super::*;

    type Guarded<C> = KeepAliveService<Client<IdleAwareConnector<C>, Full<Bytes>>>;

    assert_impl_all!(IdleAwareConnector<HttpConnector>: Connect, Clone, Send, Sync);
    assert_impl_all!(IdleAwareConnector<HttpsConnector<HttpConnector>>: Connect, Clone, Send, Sync);
    assert_impl_all!(HttpsConnector<IdleAwareConnector<HttpConnector>>: Connect, Clone, Send, Sync);
    assert_impl_all!(IdleAwareConnector<HttpConnector>: Service<Uri, Response = IdleAwareIo<Transport>>);
    assert_impl_all!(
        Guarded<HttpConnector>: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error = legacy::Error,
            Future: Send,
        >
    );
    assert_impl_all!(Guarded<HttpConnector>: Send, Sync, Unpin, Clone, Debug);
}

mod own_client {
    use super::*;

    type Own<C> = http_keepalive::Client<C, Full<Bytes>>;

    assert_impl_all!(http_keepalive::Client<HttpConnector, Full<Bytes>>: Send);
    assert_impl_all!(ClientBuilder<()>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(PoolSettings: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(PoolStats: Send, Sync, Unpin, Clone, Debug, Eq);
    assert_impl_all!(TaskExecutor: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(ClientErrorKind: Send, Sync, Unpin, UnwindSafe, Copy, Debug, Display, Eq);
    assert_impl_all!(ClientError: std::error::Error, Send, Sync, Unpin);
    assert_impl_all!(ClientFuture: Future, Send, Unpin, Debug);
    assert_impl_all!(Own<HttpConnector>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(
        Own<HttpConnector>: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error = ClientError,
            Future = ClientFuture,
        >
    );
}

#[cfg(feature = "rustls")]
mod ready_made {
    use http_keepalive::{HttpsClient, HttpsClientBuilder, HttpsClientConnector};

    use super::*;

    assert_impl_all!(HttpsClientBuilder: Send, Sync, Unpin, Debug);
    // It may hold a configuration of TLS, which is not cloned in passing.
    assert_not_impl_any!(HttpsClientBuilder: Clone);
    assert_impl_all!(HttpsClientConnector: Send, Sync, Unpin, Clone, Debug, Connect);
    assert_impl_all!(HttpsClient<Full<Bytes>>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(
        HttpsClient<Full<Bytes>>: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error = ClientError,
            Future: Send,
        >
    );
}

#[cfg(feature = "server")]
mod for_servers {
    use http_keepalive::{
        AdvertiseFuture, AdvertiseLayer, AdvertiseMakeFuture, AdvertiseMakeService,
        AdvertiseService, Drain, IdleListener, IdleStream, LastResponse, LastResponses,
        ServedConnection, ServerCloseCause, ServerClosed, ServerEvent, ServerEventKind,
        ServerKeepAlive, ServerObserver, ServerPolicy, ServerStats,
    };
    use tokio::io::{AsyncRead, AsyncWrite};

    use super::*;

    assert_impl_all!(ServerPolicy: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(ServerPolicy: Copy, Debug, Default, Eq);
    assert_impl_all!(ServerKeepAlive: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(ServedConnection: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Drain: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(ServerCloseCause: Send, Sync, Unpin, Copy, Debug, Display, Eq, Hash);
    assert_impl_all!(LastResponse: Send, Sync, Unpin, Copy, Debug, Eq, Hash);
    assert_impl_all!(LastResponses: Send, Sync, Unpin, Copy, Debug, Default, Eq);
    assert_impl_all!(ServerClosed: Send, Sync, Unpin, Copy, Debug, Default, Eq);
    assert_impl_all!(ServerStats: Send, Sync, Unpin, Copy, Debug, Default, Display, Eq);
    assert_impl_all!(ServerEvent: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(ServerEventKind: Send, Sync, Unpin, Copy, Debug, Eq);
    assert_impl_all!(dyn ServerObserver: Send, Sync);

    assert_impl_all!(IdleListener<()>: Send, Sync, Unpin, Debug);
    assert_impl_all!(IdleStream<TcpStream>: Send, Sync, Unpin, Debug, AsyncRead, AsyncWrite);
    assert_not_impl_any!(IdleStream<Plain>: Send, Sync, Unpin, Debug);
    assert_impl_all!(AdvertiseLayer: Send, Sync, Unpin, Clone, Debug, Layer<Plain>);
    assert_impl_all!(AdvertiseService<()>: Send, Sync, Unpin, Clone, Debug);
    assert_not_impl_any!(AdvertiseService<Plain>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(AdvertiseFuture<()>: Send, Sync, Unpin, Debug);
    assert_impl_all!(AdvertiseFuture<Sendable>: Send);
    assert_impl_all!(AdvertiseMakeService<()>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(AdvertiseMakeFuture<()>: Send, Sync, Unpin, Debug);
    assert_impl_all!(AdvertiseMakeFuture<Sendable>: Send);
}

#[cfg(feature = "reqwest")]
mod for_reqwest {
    use http_keepalive::{ReqwestFuture, ReqwestLayer, ReqwestService};

    use super::*;

    assert_impl_all!(ReqwestLayer: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(ReqwestLayer: Copy, Debug, Default, Layer<Plain>);

    assert_impl_all!(ReqwestService<()>: Send, Sync, Unpin, Clone, Debug);
    assert_not_impl_any!(ReqwestService<Plain>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(ReqwestService<Sendable>: Send);
    assert_not_impl_any!(ReqwestService<Sendable>: Sync, Unpin, Clone, Debug);

    assert_impl_all!(ReqwestFuture<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(ReqwestFuture<Plain>: Send, Sync, Unpin, Debug);
    assert_impl_all!(ReqwestFuture<Sendable>: Send);

    type Client = legacy::Client<IdleAwareConnector<HttpConnector>, reqwest::Body>;
    assert_impl_all!(
        ReqwestService<KeepAliveService<Client>>: Service<
            reqwest::Request,
            Response = reqwest::Response,
            Future: Send,
        >
    );
}

#[cfg(feature = "metrics")]
mod metrics {
    use http_keepalive::MetricsObserver;

    use super::*;

    assert_impl_all!(MetricsObserver: Send, Sync, Unpin, Debug, Default, Observer);
}

mod pools {
    use super::*;

    assert_impl_all!(Http1Error: Send, Sync, Unpin, std::error::Error);
    assert_impl_all!(NotReusable: Send, Sync, Unpin, Copy, Debug, Display, Eq, std::error::Error);
    assert_impl_all!(Http1Layer<Full<Bytes>>: Send, Sync, Unpin, Clone, Debug, Default);
    assert_impl_all!(MakeHttp1<HttpConnector, Full<Bytes>>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Http1Connecting<Full<Bytes>>: Send, Unpin, Debug);
    assert_impl_all!(Http1Connection<Full<Bytes>>: Send, Sync, Unpin, Debug);
    assert_impl_all!(Http1ResponseFuture: Send, Unpin, Debug);
}

#[cfg(feature = "replay")]
mod for_retries {
    use http_keepalive::{
        AsError, Attempts, Repeatable, ReplayBody, ReplayError, ReplayPolicy, ReplayPolicyBuilder,
    };
    use tower::BoxError;
    use tower::retry::{Policy, Retry};

    use super::*;

    // It holds a closure of the user's, of which nothing is known.
    assert_impl_all!(ReplayPolicy: Send, Sync, Unpin, Clone, Debug, Default);
    assert_impl_all!(ReplayPolicyBuilder: Send, Sync, Unpin, Debug, Default);
    assert_impl_all!(ReplayError: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(ReplayError: Clone, std::error::Error, Eq);
    assert_impl_all!(Attempts: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Attempts: Copy, Debug, Eq);

    assert_impl_all!(ReplayBody<()>: Send, Sync, Unpin, Debug, Repeatable);
    assert_impl_all!(ReplayBody<Plain>: Debug, Repeatable);
    assert_not_impl_any!(ReplayBody<Plain>: Send, Sync);
    assert_impl_all!(ReplayBody<Sendable>: Send, Sync, Unpin, Debug);
    // A clone might be one of what is not known any more.
    assert_not_impl_any!(ReplayBody<()>: Clone);
    assert_impl_all!(ReplayBody<Full<Bytes>>: hyper::body::Body);
    assert_impl_all!(Full<Bytes>: Repeatable);
    assert_not_impl_any!(Incoming: Repeatable);

    assert_impl_all!(legacy::Error: AsError);
    assert_impl_all!(BoxError: AsError);
    type Request<B> = http::Request<B>;
    type Response = http::Response<Incoming>;
    assert_impl_all!(ReplayPolicy: Policy<Request<Full<Bytes>>, Response, legacy::Error>);
    assert_impl_all!(ReplayPolicy: Policy<Request<ReplayBody<Incoming>>, Response, BoxError>);
    assert_not_impl_any!(ReplayPolicy: Policy<Request<Incoming>, Response, BoxError>);

    type Client<B> = KeepAliveService<legacy::Client<IdleAwareConnector<HttpConnector>, B>>;
    assert_impl_all!(
        Retry<ReplayPolicy, Client<Full<Bytes>>>: Clone, Send, Sync, Unpin, Service<
            Request<Full<Bytes>>,
            Response = Response,
            Error = legacy::Error,
            Future: Send,
        >
    );
    assert_impl_all!(
        Retry<ReplayPolicy, Client<ReplayBody<Incoming>>>: Service<
            Request<ReplayBody<Incoming>>,
            Future: Send,
        >
    );
}

mod controls {
    use super::*;

    assert_not_impl_any!(Plain: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Sendable: Send);
    assert_not_impl_any!(Sendable: Sync, Unpin, Clone, Debug);
    assert_not_impl_any!(&'static mut (): UnwindSafe);
    assert_not_impl_any!(KeepAliveService<()>: Connect);
}

/// Each type that the crate exports, with any feature, is in the assertions above.
#[test]
fn each_exported_type_has_its_auto_traits_asserted() {
    let exports = include_str!("../../src/lib.rs")
        .split("pub use self::")
        .skip(1);
    let exports = exports.filter_map(|export| export.split(';').next());
    let names = exports.flat_map(|export| export.split(|c: char| !c.is_alphanumeric()));
    let types: Vec<_> = names
        .filter(|name| name.starts_with(char::is_uppercase))
        .collect();
    assert!(types.len() > 20, "{types:?}");

    let here = include_str!("autotraits.rs");
    for name in types {
        let forms = [
            format!("assert_impl_all!({name}:"),
            format!("assert_impl_all!({name}<"),
            format!("assert_impl_all!(http_keepalive::{name}<"),
            // A trait.
            format!(": {name});"),
            format!("dyn {name}:"),
        ];
        assert!(forms.iter().any(|form| here.contains(form)), "{name}");
    }
}
