//! Errors pass through all layers as the client has them.

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use std::vec;

use client_stack::authority::CertificateAuthority;
use client_stack::clients::{guarded, https, plain};
use client_stack::hosts::Hosts;
use client_stack::stack::{BoxError, Patience, stack};
use client_stack::support::errors::{chain, find, texts};
use client_stack::support::link::Link;
use client_stack::support::server::Server;
use client_stack::users::{fetch, get};
use http::{Request, Uri};
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::rustls;
use tower::{Service, service_fn};

use super::rig::{FIRST, RTT, Rig};

/// Two of these run in real time, which is not to decide.
const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(3_600),
    piece: Duration::from_secs(3_600),
};

/// What a request fails with through the stack, which is what it fails with without this crate.
async fn failure<C>(connector: C, uri: &str) -> BoxError
where
    C: Service<Uri> + Connect + Clone + Send + Sync + 'static,
    IdleAwareConnector<C>: Connect,
{
    let request = || Request::get(uri).body(Default::default()).unwrap();
    let bare = fetch(&plain(connector.clone()), request()).await;
    let client = guarded(&KeepAlive::default(), connector);
    let through = fetch(&stack(client, PATIENCE), request()).await;

    let (bare, through) = (bare.unwrap_err(), through.unwrap_err());
    assert_eq!(texts(&*through), texts(&*bare), "unchanged");
    let error: &legacy::Error = through.downcast_ref().expect("the client's own error");
    assert!(error.is_connect());
    through
}

/// An HTTP connector that leaves `https` to what is around it.
fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp
}

#[tokio::test]
async fn a_refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let tls = CertificateAuthority::new().client();

    let failure = failure(https(tls, tcp()), &format!("https://{nobody}/")).await;

    let refused = chain(&*failure)
        .into_iter()
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    assert!(refused, "{failure:?}");
}

/// What a resolver of one's own fails with.
#[derive(Debug)]
struct NoSuchHost(String);

impl fmt::Display for NoSuchHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such host: {}", self.0)
    }
}

impl Error for NoSuchHost {}

#[tokio::test]
async fn no_such_host() {
    let resolver = service_fn(|name: Name| {
        let unknown = NoSuchHost(name.to_string());
        ready(Err::<vec::IntoIter<SocketAddr>, _>(unknown))
    });
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    let tls = CertificateAuthority::new().client();

    let failure = failure(https(tls, tcp), "https://nowhere.test/").await;

    let cause = find::<NoSuchHost>(&*failure).expect("the resolver's own error");
    assert_eq!(cause.0, "nowhere.test");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_verify() {
    let [trusted, other] = [(); 2].map(|()| CertificateAuthority::new());
    let server = Server::builder().tls(other.server("other.test")).build();
    let hosts = Hosts::new([("other.test", &server)], Link::new());

    let failure = failure(https(trusted.client(), hosts), "https://other.test/").await;

    let cause = find::<rustls::Error>(&*failure);
    assert!(
        matches!(cause, Some(rustls::Error::InvalidCertificate(_))),
        "{failure:?}"
    );
}

/// The race itself, where the server says no goodbye of TLS: not `IncompleteMessage`, as over TCP.
#[tokio::test(start_paused = true)]
async fn a_server_that_closes_without_close_notify() {
    let timeout = Duration::from_secs(1);
    let server = Server::builder().idle_timeout(timeout);
    let rig = Rig::new(server, Server::builder(), Link::new().latency(RTT / 2));
    let stack = rig.plain_stack();
    fetch(&stack, get(FIRST, "/")).await.unwrap();
    sleep(timeout - RTT / 2).await;

    let failure = fetch(&stack, get(FIRST, "/")).await.unwrap_err();

    let causes = texts(&*failure).join("\n");
    assert!(causes.contains("close_notify"), "{causes}");
    let cause = find::<io::Error>(&*failure).map(io::Error::kind);
    assert_eq!(cause, Some(io::ErrorKind::UnexpectedEof));
    let error: &hyper::Error = find(&*failure).expect("hyper's own error");
    assert!(!error.is_incomplete_message());
}
