//! Hop-by-hop fields, which are meant for one connection alone (RFC 9110 §7.6.1).
//!
//! An intermediary removes them from each message that it passes on, in both directions. The work is
//! linear in the size of the head, whatever its contents: an attacker may have written it.

use std::collections::HashSet;

use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

/// Removes hop-by-hop fields from a request (RFC 9110 §7.6.1).
///
/// For proxies that add fields of their own, before they do: a client could otherwise have those removed,
/// with their names in `Connection`. [`KeepAliveLayer::strip_hop_by_hop`] documents the rules, and applies
/// them again just before the request is sent. A second call changes nothing.
///
/// ```
/// let mut request = http::Request::get("http://server.test/")
///     .header("connection", "close, x-user")
///     .header("x-user", "admin")
///     .body(())?;
///
/// http_keepalive::strip_request_hop_by_hop(&mut request);
/// assert!(request.headers().is_empty());
/// # Ok::<(), http::Error>(())
/// ```
///
/// [`KeepAliveLayer::strip_hop_by_hop`]: crate::KeepAliveLayer::strip_hop_by_hop
pub fn strip_request_hop_by_hop<B>(request: &mut Request<B>) {
    let version = request.version();
    // hyper's client sends a body of unknown length with these methods only if the field is there.
    let needs_chunked = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::CONNECT
    );
    let headers = request.headers_mut();
    let options = Options::take(headers);
    // A server ignores `Upgrade` in HTTP/1.0, and HTTP/2 has none (RFC 9110 §7.8, RFC 9113 §8.6).
    let may_upgrade = version == Version::HTTP_11 && options.contains(&UPGRADE);
    let upgrade = take_upgrade(headers).filter(|_| may_upgrade);
    // The only connection-specific field of HTTP/2, with this one value (RFC 9113 §8.2.2).
    let keeps_te = is_http2(version) && headers.get_all(TE).into_iter().all(|te| te == "trailers");
    strip_fields(headers, &options, keeps_te);
    strip_framing(headers, version, needs_chunked);
    put_upgrade(headers, upgrade);
}

/// Removes hop-by-hop fields from a response (RFC 9110 §7.6.1).
///
/// For proxies whose client has no [`KeepAliveLayer`](crate::KeepAliveLayer), or one that does not
/// strip. [`KeepAliveLayer::strip_hop_by_hop`] documents the rules. A second call changes nothing.
///
/// ```
/// let mut response = http::Response::builder()
///     .header("connection", "keep-alive, x-node")
///     .header("keep-alive", "timeout=5")
///     .header("x-node", "7")
///     .body(())?;
///
/// http_keepalive::strip_response_hop_by_hop(&mut response);
/// assert!(response.headers().is_empty());
/// # Ok::<(), http::Error>(())
/// ```
///
/// [`KeepAliveLayer::strip_hop_by_hop`]: crate::KeepAliveLayer::strip_hop_by_hop
pub fn strip_response_hop_by_hop<B>(response: &mut Response<B>) {
    let (version, status) = (response.version(), response.status());
    // 101 and 426 answer the request's own `Upgrade`; any other response only advertises one.
    let may_upgrade = !is_http2(version)
        && matches!(
            status,
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED
        );
    let headers = response.headers_mut();
    let options = Options::take(headers);
    let upgrade = take_upgrade(headers).filter(|_| may_upgrade);
    strip_fields(headers, &options, false);
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        // Without a body, neither field is allowed (RFC 9110 §8.6, RFC 9112 §6.1).
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
    }
    strip_framing(headers, version, false);
    put_upgrade(headers, upgrade);
}

fn is_http2(version: Version) -> bool {
    version > Version::HTTP_11
}

/// The options of a message's `Connection` fields.
struct Options {
    /// All of them in one list, in lower case.
    list: Vec<u8>,
}

impl Options {
    /// Takes the options, and removes the `Connection` fields.
    fn take(headers: &mut HeaderMap) -> Self {
        let mut list = joined(headers, &CONNECTION);
        list.make_ascii_lowercase();
        headers.remove(CONNECTION);
        Self { list }
    }

    fn contains(&self, name: &HeaderName) -> bool {
        elements(&self.list).any(|option| is(option, name))
    }

    /// The names of fields among the options, without those in [`HOP_BY_HOP`] and [`STAYS`].
    ///
    /// An option that is not the name of a field does no harm: no field matches it.
    fn named(&self) -> HashSet<&[u8]> {
        let options = elements(&self.list).filter(|option| !option.is_empty());
        let mut named: HashSet<_> = options.filter(|option| !is_hop_by_hop(option)).collect();
        for name in &STAYS {
            named.remove(name.as_str().as_bytes());
        }
        named
    }
}

/// Removes the `Upgrade` fields. Returns them, unless one names HTTP itself: the proxy could not inspect
/// the requests in it.
fn take_upgrade(headers: &mut HeaderMap) -> Option<Vec<HeaderValue>> {
    if !headers.contains_key(UPGRADE) {
        return None;
    }
    let fields: Vec<_> = headers.get_all(UPGRADE).into_iter().cloned().collect();
    headers.remove(UPGRADE);
    let is_http = |field: &HeaderValue| elements(field.as_bytes()).any(is_http);
    let is_passed_on = !fields.iter().any(is_http);
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

/// Removes the fields that the options name, and those in [`HOP_BY_HOP`].
fn strip_fields(headers: &mut HeaderMap, options: &Options, keeps_te: bool) {
    let named = options.named();
    // The names in the map are looked up in the set, not the other way round: the set may have many more
    // names, which may all collide in the map.
    let is_named = |name: &&HeaderName| named.contains(name.as_str().as_bytes());
    let gone: Vec<_> = headers.keys().filter(is_named).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        if !(keeps_te && *name == TE) {
            headers.remove(name);
        }
    }
    strip_trailer(headers, &named);
}

/// Removes hop-by-hop names from `Trailer`: in HTTP/1 hyper writes no trailer field that is not announced.
/// The other names stay as they were written, in one field.
fn strip_trailer(headers: &mut HeaderMap, named: &HashSet<&[u8]>) {
    if !headers.contains_key(TRAILER) {
        return;
    }
    let list = joined(headers, &TRAILER);
    let lower_case = list.to_ascii_lowercase();
    let is_gone = |name: &[u8]| named.contains(name) || is_hop_by_hop(name);
    let names = list.split(is_comma).zip(elements(&lower_case));
    let mut kept = Vec::with_capacity(list.len());
    let mut has_names = false;
    let mut is_changed = false;
    for (as_written, name) in names {
        if is_gone(name) {
            is_changed = true;
        } else {
            kept.extend_from_slice(as_written);
            kept.push(b',');
            has_names |= !name.is_empty();
        }
    }
    if !is_changed {
        return;
    }
    kept.pop();
    match HeaderValue::from_bytes(kept.trim_ascii()) {
        Ok(names) if has_names => headers.insert(TRAILER, names),
        _ => headers.remove(TRAILER),
    };
}

/// Leaves at most one field that frames the body: the one by which hyper read it.
fn strip_framing(headers: &mut HeaderMap, version: Version, needs_chunked: bool) {
    if is_http2(version) {
        // In HTTP/2 frames delimit the body, and the field is forbidden (RFC 9113 §8.2.2).
        headers.remove(TRANSFER_ENCODING);
    }
    if !headers.contains_key(TRANSFER_ENCODING) {
        settle_content_length(headers);
        return;
    }
    // `Transfer-Encoding` overrides `Content-Length` (RFC 9112 §6.3, rule 3), but hyper would frame the
    // message by the latter.
    headers.remove(CONTENT_LENGTH);
    if !is_chunked_alone(headers) {
        return;
    }
    if needs_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else {
        headers.remove(TRANSFER_ENCODING);
    }
}

/// Whether `chunked` is the only coding. hyper decodes and encodes `chunked`; it leaves other codings in the
/// body, so their names must stay. `identity` stands for no coding (RFC 2616 §3.6).
fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(TRANSFER_ENCODING).into_iter();
    let mut codings = fields.flat_map(|field| elements(field.as_bytes()));
    codings.all(|coding| {
        let names = [&b"chunked"[..], b"identity", b""];
        names.iter().any(|name| coding.eq_ignore_ascii_case(name))
    })
}

/// Reduces a repeated length to one field, and removes lengths that differ or are no numbers: none of these
/// may be passed on (RFC 9110 §8.6).
fn settle_content_length(headers: &mut HeaderMap) {
    let fields = headers.get_all(CONTENT_LENGTH).into_iter();
    let mut lengths = fields
        .flat_map(|field| elements(field.as_bytes()))
        .map(length);
    let Some(first) = lengths.next() else {
        return;
    };
    let mut is_repeated = false;
    let is_one = lengths
        .inspect(|_| is_repeated = true)
        .all(|length| length == first);
    match first.filter(|_| is_one) {
        None => headers.remove(CONTENT_LENGTH),
        Some(length) if is_repeated => headers.insert(CONTENT_LENGTH, length.into()),
        Some(_) => None,
    };
}

fn length(digits: &[u8]) -> Option<u64> {
    // `u64`'s parser accepts a sign.
    let digits = std::str::from_utf8(digits).ok()?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The values of all fields of that name, as one list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let mut list = Vec::new();
    for field in headers.get_all(name) {
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(field.as_bytes());
    }
    list
}

fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(is_comma).map(<[u8]>::trim_ascii)
}

fn is_comma(byte: &u8) -> bool {
    *byte == b','
}

fn is(name: &[u8], header: &HeaderName) -> bool {
    name == header.as_str().as_bytes()
}

fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.iter().any(|header| is(name, header))
}

/// Fields that are removed, whether `Connection` names them or not. `HTTP2-Settings` belongs to
/// `Upgrade: h2c` (RFC 7540 §3.2.1).
static HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Fields that stay even if `Connection` names them: where a message goes, where it ends, and its hops.
static STAYS: [HeaderName; 8] = [
    CONTENT_LENGTH,
    FORWARDED,
    HOST,
    TRANSFER_ENCODING,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];
