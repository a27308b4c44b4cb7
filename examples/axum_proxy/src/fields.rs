//! What a proxy says of the way a message took.
//!
//! What is there already, from proxies further out or from a client that makes it up, stays in front.
//! An upstream that goes by these fields counts from the end, past the proxies it knows.

use std::net::IpAddr;

use axum::extract::Request;
use axum::response::Response;
use http::header::{HOST, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Says whom a request came from, and what it was asked for.
pub fn on_request(request: &mut Request, client: Option<IpAddr>) {
    let via = via(request.version());
    let headers = request.headers_mut();
    headers.append(VIA, via);
    if let Some(client) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.append(X_FORWARDED_FOR, client);
    }
    // The client sets the upstream's own.
    if let Some(host) = headers.remove(HOST) {
        set_first(headers, X_FORWARDED_HOST, host);
    }
    set_first(headers, X_FORWARDED_PROTO, HeaderValue::from_static("http"));
}

/// Says whom a response came by.
pub fn on_response(response: &mut Response) {
    let via = via(response.version());
    response.headers_mut().append(VIA, via);
}

/// What came in is what is named (RFC 9110 §7.6.3).
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 axum-proxy",
        Version::HTTP_2 => "2 axum-proxy",
        _ => "1.1 axum-proxy",
    })
}

/// The first proxy knows it; those behind it know that proxy.
fn set_first(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
