//! What a request needs before it is sent.

use std::mem;

use http::header::HOST;
use http::uri::{Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

use crate::connection::ClientErrorKind;

/// Checks what the caller is to set, and completes the target of a CONNECT.
pub(super) fn check<B>(request: &mut Request<B>) -> Result<(), ClientErrorKind> {
    let is_connect = *request.method() == Method::CONNECT;
    match request.version() {
        Version::HTTP_10 if is_connect => return Err(ClientErrorKind::UnsupportedMethod),
        Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2 => {}
        _ => return Err(ClientErrorKind::UnsupportedVersion),
    }
    if is_connect && request.uri().scheme().is_none() {
        set_scheme(request.uri_mut());
    }
    Ok(())
}

/// The target of a CONNECT is an authority (RFC 9112 §3.2.3), from which the scheme follows.
fn set_scheme(uri: &mut Uri) {
    let scheme = match uri.port_u16() {
        Some(443) => Scheme::HTTPS,
        _ => Scheme::HTTP,
    };
    let mut parts = mem::take(uri).into_parts();
    parts.scheme = Some(scheme);
    parts.path_and_query = Some(root());
    // Without an authority it is no URI, and refused as such.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Adds the `Host` field, if there is none, and brings the target into the form that an HTTP/1 connection needs (RFC
/// 9112 §3.2). Returns the target as it was.
pub(super) fn prepare<B>(
    request: &mut Request<B>,
    field: Option<&HeaderValue>,
    is_proxied: bool,
) -> Uri {
    if let Some(field) = field {
        let entry = request.headers_mut().entry(HOST);
        entry.or_insert_with(|| field.clone());
    }
    let is_connect = *request.method() == Method::CONNECT;
    let target = request.uri_mut();
    let mut parts = Parts::default();
    if is_connect {
        parts.authority = target.authority().cloned();
    } else if is_proxied {
        return target.clone();
    } else {
        // That of a URI without a path shows as `/`, and is empty within, in some versions of `http`.
        let path = target.path_and_query().filter(|path| *path != "/");
        parts.path_and_query = Some(path.cloned().unwrap_or_else(root));
    }
    mem::replace(target, Uri::from_parts(parts).unwrap_or_default())
}

/// The URI that a connector is called with: scheme and authority, and no path.
pub(super) fn root_of(uri: &Uri) -> Uri {
    let mut parts = Parts::default();
    parts.scheme = uri.scheme().cloned();
    parts.authority = uri.authority().cloned();
    parts.path_and_query = Some(root());
    Uri::from_parts(parts).unwrap_or_default()
}

fn root() -> PathAndQuery {
    PathAndQuery::from_static("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(method: Method, uri: &str, is_proxied: bool) -> (String, String) {
        let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
        check(&mut request).unwrap();
        let whole = request.uri().clone();
        let field = HeaderValue::from_static("field.test");
        let before = prepare(&mut request, Some(&field), is_proxied);
        assert_eq!(before, whole);
        let host = request.headers()[HOST].to_str().unwrap().to_owned();
        // hyper writes it so, too.
        (request.uri().to_string(), host)
    }

    #[test]
    fn the_target_has_the_form_that_the_connection_needs() {
        let forms = [
            (Method::GET, "http://a.test/b?c", false, "/b?c"),
            (Method::GET, "http://a.test", false, "/"),
            (Method::GET, "http://a.test?c", false, "/?c"),
            (Method::OPTIONS, "http://a.test/", false, "/"),
            (Method::GET, "http://a.test/b?c", true, "http://a.test/b?c"),
            (Method::CONNECT, "a.test:443", false, "a.test:443"),
            (Method::CONNECT, "a.test:443", true, "a.test:443"),
        ];
        for (method, uri, is_proxied, form) in forms {
            let (target, host) = prepared(method, uri, is_proxied);
            assert_eq!((&*target, &*host), (form, "field.test"), "{uri}");
        }
    }

    #[test]
    fn the_callers_host_stays() {
        let mut request = Request::get("http://a.test/")
            .header(HOST, "b.test")
            .body(())
            .unwrap();
        prepare(
            &mut request,
            Some(&HeaderValue::from_static("a.test")),
            false,
        );
        assert_eq!(request.headers()[HOST], "b.test");
        assert_eq!(request.headers().get_all(HOST).iter().count(), 1);
    }

    #[test]
    fn versions_that_hyper_does_not_speak_are_refused() {
        let mut request = Request::get("http://a.test/").body(()).unwrap();
        *request.version_mut() = Version::HTTP_3;
        assert_eq!(
            check(&mut request),
            Err(ClientErrorKind::UnsupportedVersion)
        );
        *request.version_mut() = Version::HTTP_10;
        assert_eq!(check(&mut request), Ok(()));
        *request.method_mut() = Method::CONNECT;
        assert_eq!(check(&mut request), Err(ClientErrorKind::UnsupportedMethod));
    }
}
