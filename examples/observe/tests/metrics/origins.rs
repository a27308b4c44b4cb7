//! Which origins are told apart.

use std::num::NonZeroUsize;

use http::Uri;
use http_keepalive::{KeepAlive, MetricsObserver};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::rig::{SECOND, recorded};
use crate::support::client::{builder, exchange, get, guarded};
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};

fn keep_alive(origins: usize) -> KeepAlive {
    let origins = NonZeroUsize::new(origins).unwrap();
    let observer = MetricsObserver::with_origins(origins);
    builder().observer(observer).build().unwrap()
}

fn connector() -> LinkConnector {
    Server::builder()
        .record(false)
        .build()
        .connector(Link::new())
}

#[test]
fn a_thousand_origins_make_as_many_labels_as_are_told_apart_and_one_more() {
    recorded(async |recorded| {
        let client = guarded(&keep_alive(10), connector());

        for _ in 0..2 {
            for number in 0..1000 {
                let uri = format!("http://server-{number}.test/");
                exchange(&client, get(&uri)).await.unwrap();
            }
        }

        let servers = recorded.servers();
        assert_eq!(servers.len(), 11, "{servers:?}");
        for number in 0..10 {
            let server = (format!("server-{number}.test"), "80".to_owned());
            assert!(servers.contains(&server), "{servers:?}");
        }
        assert!(servers.contains(&("other".to_owned(), "other".to_owned())));
        assert_eq!(recorded.open(), [1000, 0], "all are counted");
        sleep(10 * SECOND).await;
        assert_eq!(recorded.open(), [0, 0]);
    });
}

#[test]
fn ports_are_told_apart() {
    recorded(async |recorded| {
        let client = guarded(&keep_alive(10), connector());

        for uri in [
            "http://a.test/",
            "http://a.test:80/",
            "http://a.test:81/",
            "http://b.test/",
        ] {
            exchange(&client, get(uri)).await.unwrap();
        }

        let servers = recorded.servers().into_iter();
        let servers: Vec<_> = servers
            .map(|(address, port)| format!("{address} {port}"))
            .collect();
        assert_eq!(servers, ["a.test 80", "a.test 81", "b.test 80"]);
    });
}

#[test]
fn a_connection_without_an_origin_is_another() {
    recorded(async |recorded| {
        let connector = keep_alive(10).connector(connector());

        let connection = connector.oneshot(Uri::from_static("/path")).await.unwrap();

        assert_eq!(recorded.open(), [1, 0]);
        assert_eq!(recorded.servers().len(), 1);
        drop(connection);
        assert_eq!(recorded.open(), [0, 0]);
    });
}
