//! The two origins of the trial: a site that sends readers on to where its stories lie.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;

use crate::authority::CertificateAuthority;
use crate::hosts::Hosts;
use crate::support::link::Link;
use crate::support::server::{Body, Server, full};

/// Names its timeout to who asks for it, as Apache httpd does; sends readers on.
pub const NEWS: &str = "news.test";
/// Names none; compresses.
pub const STORE: &str = "store.test";

/// How long each of them keeps an idle connection.
pub const NEWS_TIMEOUT: Duration = Duration::from_secs(2);
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The text of every story.
pub const STORY: &str = "Once upon a time a server closed a connection. ";

/// Both origins, and what a client needs to reach them.
pub struct Origins {
    pub news: Server,
    pub store: Server,
    pub hosts: Hosts,
    pub tls: ClientConfig,
}

impl Origins {
    pub fn new(link: Link) -> Self {
        let authority = CertificateAuthority::new();
        let news = Server::builder()
            .idle_timeout(NEWS_TIMEOUT)
            .hint(format!("timeout={}", NEWS_TIMEOUT.as_secs()))
            .hint_if_asked()
            .tls(authority.server(NEWS))
            .handler(news)
            .build();
        let store = Server::builder()
            .idle_timeout(STORE_TIMEOUT)
            .tls(authority.server(STORE))
            .handler(store)
            .build();
        Self {
            hosts: Hosts::new([(NEWS, &news), (STORE, &store)], link),
            news,
            store,
            tls: authority.client(),
        }
    }
}

/// `/story` is elsewhere, `/slow` takes longer than anybody waits, and all else is taken note of.
async fn news(request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    // A request that ends early is none to answer; hyper then closes.
    drop(request.into_body().collect().await);
    match path.as_str() {
        "/story" => redirect(&format!("https://{STORE}/story")),
        "/slow" => {
            sleep(Duration::from_secs(3_600)).await;
            Response::new(full("at last"))
        }
        _ => Response::new(full("noted")),
    }
}

async fn store(_: Request<Incoming>) -> Response<Body> {
    gzipped(STORY.repeat(100).as_bytes())
}

/// Sends on, with a short text for those who do not follow.
pub fn redirect(location: &str) -> Response<Body> {
    Response::builder()
        .status(StatusCode::FOUND)
        .header(LOCATION, location)
        .body(full("it is elsewhere"))
        .unwrap()
}

/// Compressed, whether or not that was asked for.
pub fn gzipped(text: &[u8]) -> Response<Body> {
    Response::builder()
        .header(CONTENT_ENCODING, "gzip")
        .body(full(gzip(text)))
        .unwrap()
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
