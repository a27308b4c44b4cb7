//! Fields that are meant for one connection alone (RFC 9110 §7.6.1).
//!
//! Whoever passes messages on takes them off: what the client says of its connection is not said of
//! the one to the server, nor the other way round.

use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};

use crate::proto::keep_alive::KEEP_ALIVE;

/// Removes from a request what was meant for the connection that it came on (RFC 9110 §7.6.1).
///
/// For proxies that add fields of their own: called first, it keeps the client from having those
/// removed by naming them in `Connection`. [`KeepAliveLayer::strip_hop_by_hop`] has the rules, and
/// does the same later, just before the request is sent. To do it twice does no harm.
///
/// ```
/// let mut request = http::Request::get("http://server.test/")
///     .header("connection", "close, x-user")
///     .header("x-user", "admin")
///     .body(())?;
///
/// http_keepalive::strip_hop_by_hop(&mut request);
/// assert!(request.headers().is_empty());
/// # Ok::<(), http::Error>(())
/// ```
///
/// [`KeepAliveLayer::strip_hop_by_hop`]: crate::KeepAliveLayer::strip_hop_by_hop
pub fn strip_hop_by_hop<B>(request: &mut Request<B>) {
    // A server ignores it in HTTP/1.0, and it does not exist in HTTP/2 (RFC 9110 §7.8).
    let may_upgrade = request.version() == Version::HTTP_11;
    let is_http2 = request.version() > Version::HTTP_11;
    let headers = request.headers_mut();
    let named = take_named(headers);
    let upgrade = take_upgrade(headers).filter(|_| may_upgrade && named.contains(&UPGRADE));
    // The one that HTTP/2 has too, with this one value (RFC 9113 §8.2.2); gRPC wants it.
    let keeps_te = is_http2 && headers.get(TE).is_some_and(|te| te == "trailers");
    strip(headers, named, keeps_te);
    put_upgrade(headers, upgrade);
}

/// Removes from a response what was meant for the connection that it came on.
pub(super) fn strip_response<B>(response: &mut Response<B>) {
    // Those two are about what the client asked for; in others a server praises what it can.
    let may_upgrade = matches!(
        response.status(),
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED
    );
    let headers = response.headers_mut();
    let named = take_named(headers);
    let upgrade = take_upgrade(headers).filter(|_| may_upgrade);
    strip(headers, named, false);
    put_upgrade(headers, upgrade);
}

/// Takes the `Connection` fields, and says which others they name.
///
/// What is no name of a field names none.
fn take_named(headers: &mut HeaderMap) -> Vec<HeaderName> {
    let named = headers
        .get_all(CONNECTION)
        .into_iter()
        .flat_map(|field| field.as_bytes().split(|&byte| byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| !STAYS.contains(name))
        .collect();
    headers.remove(CONNECTION);
    named
}

/// Takes the `Upgrade` fields; none if they ask for HTTP by another name, which would be spoken past
/// whoever passes it on.
fn take_upgrade(headers: &mut HeaderMap) -> Option<Vec<HeaderValue>> {
    if !headers.contains_key(UPGRADE) {
        return None;
    }
    let fields: Vec<_> = headers.get_all(UPGRADE).into_iter().cloned().collect();
    headers.remove(UPGRADE);
    let mut protocols = fields
        .iter()
        .flat_map(|field| field.as_bytes().split(|&byte| byte == b','));
    let is_passed_on = !protocols.any(is_http);
    is_passed_on.then_some(fields)
}

/// `h2c`, or `HTTP` in any version.
fn is_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|&byte| byte == b'/').next();
    let name = name.unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"http")
}

fn put_upgrade(headers: &mut HeaderMap, upgrade: Option<Vec<HeaderValue>>) {
    let Some(fields) = upgrade else {
        return;
    };
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    for field in fields {
        headers.append(UPGRADE, field);
    }
}

fn strip(headers: &mut HeaderMap, named: Vec<HeaderName>, keeps_te: bool) {
    announce_no_more(headers, &named);
    for name in named {
        if !(keeps_te && name == TE) {
            headers.remove(name);
        }
    }
    headers.remove(&KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    if !keeps_te {
        headers.remove(TE);
    }
    if is_chunked_alone(headers) {
        headers.remove(TRANSFER_ENCODING);
    }
}

/// Has those fields not announced as trailers: hyper writes none in HTTP/1 that is not.
fn announce_no_more(headers: &mut HeaderMap, names: &[HeaderName]) {
    let is_gone = |name: &&[u8]| {
        let name = HeaderName::from_bytes(name.trim_ascii());
        name.is_ok_and(|name| names.contains(&name))
    };
    let announces =
        |field: &HeaderValue| field.as_bytes().split(is_comma).any(|name| is_gone(&name));
    if !headers.get_all(TRAILER).into_iter().any(announces) {
        return;
    }
    let names = headers.get_all(TRAILER).into_iter();
    let names = names.flat_map(|field| field.as_bytes().split(is_comma));
    let kept: Vec<_> = names
        .filter(|name| !is_gone(name))
        .filter_map(|name| HeaderValue::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !name.is_empty())
        .collect();
    headers.remove(TRAILER);
    for name in kept {
        headers.append(TRAILER, name);
    }
}

fn is_comma(byte: &u8) -> bool {
    *byte == b','
}

/// Whether the only coding is the one that hyper takes off and puts on by itself. It leaves others in
/// the body, and so their names must stay too.
fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
    codings.all(|coding| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
    })
}

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What `Connection` has no power over, whoever names it there: where a message goes, where it ends,
/// and whom it came by.
const STAYS: [HeaderName; 8] = [
    CONTENT_LENGTH,
    FORWARDED,
    HOST,
    TRANSFER_ENCODING,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [(&'static str, &'static [u8])];

    fn put(headers: &mut HeaderMap, fields: Fields) {
        for &(name, value) in fields {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
    }

    /// What is left of a request's fields, in no particular order of their names.
    fn request(version: Version, fields: Fields) -> Vec<(String, String)> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        put(request.headers_mut(), fields);
        strip_hop_by_hop(&mut request);
        let once = left(request.headers());
        strip_hop_by_hop(&mut request);
        assert_eq!(left(request.headers()), once, "twice is as once");
        once
    }

    fn response(status: u16, fields: Fields) -> Vec<(String, String)> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        put(response.headers_mut(), fields);
        strip_response(&mut response);
        left(response.headers())
    }

    fn left(headers: &HeaderMap) -> Vec<(String, String)> {
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect();
        left.sort();
        left
    }

    fn fields(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        expected.iter().map(own).collect()
    }

    const NONE: &[(&str, &str)] = &[];

    #[test]
    fn what_is_known_to_be_of_a_connection_goes_named_or_not() {
        let all: Fields = &[
            ("connection", b"close"),
            ("keep-alive", b"timeout=5"),
            ("keep-alive", b"max=3"),
            ("proxy-connection", b"keep-alive"),
            ("te", b"trailers"),
            ("transfer-encoding", b"chunked"),
            ("upgrade", b"websocket"),
        ];
        assert_eq!(request(Version::HTTP_11, all), fields(NONE));
        assert_eq!(response(200, all), fields(NONE));
    }

    #[test]
    fn what_connection_names_goes_in_any_case_in_any_of_its_fields() {
        let all: Fields = &[
            ("connection", b"close,X-One ,\t x-two"),
            ("connection", b"X-THREE"),
            ("x-one", b"1"),
            ("x-one", b"one"),
            ("x-two", b"2"),
            ("x-three", b"3"),
            ("x-four", b"4"),
        ];
        let expected = fields(&[("x-four", "4")]);
        assert_eq!(request(Version::HTTP_11, all), expected);
        assert_eq!(response(200, all), expected);
    }

    #[test]
    fn what_is_for_all_stays() {
        let all: Fields = &[
            ("authorization", b"Basic eDp5"),
            ("content-type", b"text/plain"),
            ("date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            ("proxy-authorization", b"Basic eDp5"),
            ("trailer", b"digest"),
        ];
        assert_eq!(request(Version::HTTP_11, all).len(), all.len());
        assert_eq!(response(200, all).len(), all.len());
    }

    #[test]
    fn a_trailer_that_connection_names_is_not_announced() {
        let all: Fields = &[
            ("connection", b"X-Hop"),
            ("trailer", b"x-hop, Digest ,,not a name"),
            ("trailer", b"X-HOP"),
            ("trailer", b"x-end"),
        ];
        let expected = fields(&[
            ("trailer", "Digest"),
            ("trailer", "not a name"),
            ("trailer", "x-end"),
        ]);
        assert_eq!(request(Version::HTTP_11, all), expected);
        assert_eq!(response(200, all), expected);

        let alone: Fields = &[("connection", b"x-hop"), ("trailer", b"x-hop")];
        assert_eq!(response(200, alone), fields(NONE));
        let other: Fields = &[("connection", b"x-hop"), ("trailer", b"x-end,  x-two")];
        assert_eq!(
            response(200, other),
            fields(&[("trailer", "x-end,  x-two")]),
            "as it was"
        );
    }

    #[test]
    fn connection_has_no_power_over_routing_framing_and_provenance() {
        let all: Fields = &[
            (
                "connection",
                b"host, content-length, via, forwarded, x-forwarded-for, x-forwarded-host, x-forwarded-proto",
            ),
            ("content-length", b"5"),
            ("forwarded", b"for=192.0.2.1"),
            ("host", b"server.test"),
            ("via", b"1.1 outer"),
            ("x-forwarded-for", b"192.0.2.1"),
            ("x-forwarded-host", b"front.test"),
            ("x-forwarded-proto", b"https"),
        ];
        assert_eq!(request(Version::HTTP_11, all).len(), all.len() - 1);
        assert_eq!(response(200, all).len(), all.len() - 1);
    }

    #[test]
    fn what_is_no_field_name_names_nothing_and_spoils_nothing() {
        let all: Fields = &[
            ("connection", b",, ,\xff\xfe, x y, \"x-kept\", x-gone,"),
            ("x-gone", b"1"),
            ("x-kept", b"2"),
        ];
        let expected = fields(&[("x-kept", "2")]);
        assert_eq!(request(Version::HTTP_11, all), expected);
        assert_eq!(response(200, all), expected);
    }

    #[test]
    fn names_without_end_cost_no_more_than_their_length() {
        let mut request = Request::new(());
        let names: String = (0..20_000).map(|n| format!("x-{n},")).collect();
        let value = HeaderValue::try_from(names).unwrap();
        request.headers_mut().insert(CONNECTION, value);
        let gone = HeaderName::from_static("x-19999");
        request
            .headers_mut()
            .insert(gone, HeaderValue::from_static("1"));
        strip_hop_by_hop(&mut request);
        assert!(request.headers().is_empty());
    }

    #[test]
    fn an_upgrade_passes_through_if_connection_names_it() {
        let all: Fields = &[
            ("connection", b"keep-alive, Upgrade"),
            ("upgrade", b"websocket"),
            ("sec-websocket-version", b"13"),
        ];
        let expected = fields(&[
            ("connection", "upgrade"),
            ("sec-websocket-version", "13"),
            ("upgrade", "websocket"),
        ]);
        assert_eq!(request(Version::HTTP_11, all), expected);

        let unnamed: Fields = &[("connection", b"keep-alive"), ("upgrade", b"websocket")];
        assert_eq!(request(Version::HTTP_11, unnamed), fields(NONE));
        assert_eq!(
            request(Version::HTTP_10, all),
            fields(&[("sec-websocket-version", "13")]),
            "HTTP/1.0 has no upgrades"
        );
        let bare: Fields = &[("connection", b"upgrade")];
        assert_eq!(request(Version::HTTP_11, bare), fields(NONE));
    }

    #[test]
    fn a_response_keeps_its_upgrade_where_it_answers_one() {
        let all: Fields = &[
            ("connection", b"Upgrade, close"),
            ("upgrade", b"websocket"),
            ("keep-alive", b"timeout=5"),
        ];
        let expected = fields(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(response(101, all), expected);
        assert_eq!(response(426, all), expected);
        assert_eq!(response(200, all), fields(NONE));
        let unnamed: Fields = &[("upgrade", b"websocket")];
        assert_eq!(response(101, unnamed), expected, "the pair is made whole");
    }

    #[test]
    fn http_by_another_name_is_not_asked_for_on_behalf_of_others() {
        for upgrade in [&b"h2c"[..], b"H2C", b"websocket, h2c", b"HTTP/2.0"] {
            let mut request = Request::new(());
            for (name, value) in [
                (CONNECTION, &b"upgrade, http2-settings"[..]),
                (UPGRADE, upgrade),
                (HeaderName::from_static("http2-settings"), b"AAMAAABk"),
            ] {
                let value = HeaderValue::from_bytes(value).unwrap();
                request.headers_mut().insert(name, value);
            }
            strip_hop_by_hop(&mut request);
            assert!(request.headers().is_empty(), "{upgrade:?}");
        }
    }

    #[test]
    fn a_coding_that_is_still_in_the_body_stays_named() {
        let coded: Fields = &[
            ("connection", b"transfer-encoding"),
            ("transfer-encoding", b"gzip, chunked"),
        ];
        let expected = fields(&[("transfer-encoding", "gzip, chunked")]);
        assert_eq!(request(Version::HTTP_11, coded), expected);
        assert_eq!(response(200, coded), expected);

        let in_two: Fields = &[
            ("transfer-encoding", b"gzip"),
            ("transfer-encoding", b"chunked"),
        ];
        assert_eq!(response(200, in_two).len(), 2);
    }

    #[test]
    fn http2_keeps_its_te() {
        let trailers: Fields = &[("te", b"trailers")];
        assert_eq!(
            request(Version::HTTP_2, trailers),
            fields(&[("te", "trailers")])
        );
        let other: Fields = &[("te", b"trailers, deflate")];
        assert_eq!(request(Version::HTTP_2, other), fields(NONE));
    }
}
