//! What holds for any head that is stripped.

use std::collections::{BTreeMap, HashSet};

use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_keepalive::{strip_request_hop_by_hop, strip_response_hop_by_hop};

/// Kinds of messages: by the first byte, modulo this.
pub(crate) const MESSAGES: u8 = 24;

/// Never there afterwards.
const GONE: [&str; 3] = ["keep-alive", "proxy-connection", "http2-settings"];

/// There afterwards though they are named.
const STAYS: [&str; 6] = [
    "forwarded",
    "host",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Have rules of their own.
const RULED: [HeaderName; 6] = [
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

#[derive(Clone, Copy, Debug)]
enum Start {
    Request(&'static Method),
    Response(StatusCode),
}

#[derive(Clone, Copy, Debug)]
struct Message {
    start: Start,
    version: Version,
}

impl Message {
    fn new(kind: u8) -> Self {
        let kind = kind % MESSAGES;
        let start = match kind / 3 {
            0 => Start::Request(&Method::GET),
            1 => Start::Request(&Method::POST),
            2 => Start::Request(&Method::CONNECT),
            3 => Start::Response(StatusCode::OK),
            4 => Start::Response(StatusCode::SWITCHING_PROTOCOLS),
            5 => Start::Response(StatusCode::NO_CONTENT),
            6 => Start::Response(StatusCode::NOT_MODIFIED),
            _ => Start::Response(StatusCode::UPGRADE_REQUIRED),
        };
        let version = match kind % 3 {
            0 => Version::HTTP_10,
            1 => Version::HTTP_11,
            _ => Version::HTTP_2,
        };
        Self { start, version }
    }

    fn strip(self, headers: &HeaderMap) -> HeaderMap {
        match self.start {
            Start::Request(method) => {
                let mut request = Request::new(());
                *request.method_mut() = method.clone();
                *request.version_mut() = self.version;
                *request.headers_mut() = headers.clone();
                strip_request_hop_by_hop(&mut request);
                request.into_parts().0.headers
            }
            Start::Response(status) => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                *response.version_mut() = self.version;
                *response.headers_mut() = headers.clone();
                strip_response_hop_by_hop(&mut response);
                response.into_parts().0.headers
            }
        }
    }

    fn has_body(self) -> bool {
        !matches!(
            self.start,
            Start::Response(StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT)
        )
    }
}

/// Strips a head: the first byte says of what, and each line behind it is a field. Fails by panicking.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, fields)) = data.split_first() else {
        return;
    };
    let message = Message::new(kind);
    let before = parse(fields);
    let after = message.strip(&before);
    let what = format!("{message:?}\nbefore {before:?}\nafter {after:?}");

    assert_eq!(
        values(&message.strip(&after)),
        values(&after),
        "twice is as once: {what}"
    );
    // `Connection: upgrade` is made whole, and so is an empty `Transfer-Encoding`.
    let upgrade = if after.contains_key(UPGRADE) { 17 } else { 0 };
    let chunked = if after.contains_key(TRANSFER_ENCODING) {
        7
    } else {
        0
    };
    assert!(
        size(&after) <= size(&before).saturating_add(upgrade + chunked),
        "it grows: {what}"
    );

    let named = list(&before, &CONNECTION);
    assert_other_fields(&before, &after, &named, &what);
    assert_framing(message, &before, &after, &what);
    assert_upgrade(message, &before, &after, &what);
    assert_trailer(&before, &after, &named, &what);
    let keeps_te = matches!(message.start, Start::Request(_)) && message.version == Version::HTTP_2;
    for te in after.get_all(TE) {
        assert!(keeps_te && te == "trailers", "{what}");
    }
}

/// Those without rules of their own go if they are named, and stay as they were if not.
fn assert_other_fields(before: &HeaderMap, after: &HeaderMap, named: &HashSet<String>, what: &str) {
    for name in GONE {
        assert!(!after.contains_key(name), "{name}: {what}");
    }
    let (before_all, after_all) = (values(before), values(after));
    for (name, values) in &before_all {
        if RULED.iter().any(|ruled| ruled == name) || GONE.contains(name) {
            continue;
        }
        let stays = STAYS.contains(name) || !named.contains(*name);
        assert_eq!(
            after_all.get(name),
            stays.then_some(values),
            "{name}: {what}"
        );
    }
    let new = after_all
        .keys()
        .find(|name| !before_all.contains_key(*name));
    assert!(new.is_none_or(|name| *name == "connection"), "{what}");
}

/// There is one statement of where the body ends, and it is the one it was read by.
fn assert_framing(message: Message, before: &HeaderMap, after: &HeaderMap, what: &str) {
    let lengths: Vec<_> = after.get_all(CONTENT_LENGTH).into_iter().collect();
    let codings = list(before, &TRANSFER_ENCODING);
    let is_http2 = message.version == Version::HTTP_2;
    let is_coded = !is_http2 && before.contains_key(TRANSFER_ENCODING);
    assert!(
        lengths.is_empty() || !after.contains_key(TRANSFER_ENCODING),
        "{what}"
    );
    assert!(
        lengths.is_empty() || (!is_coded && message.has_body()),
        "{what}"
    );
    assert!(lengths.len() <= 1, "{what}");
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    for length in &lengths {
        let length = number(length.to_str().expect("digits"));
        let was: HashSet<_> = list(before, &CONTENT_LENGTH)
            .iter()
            .map(|length| number(length))
            .collect();
        assert!(length.is_some() && was == HashSet::from([length]), "{what}");
    }
    let length = list(before, &CONTENT_LENGTH);
    let is_valid = length.len() == 1 && length.iter().all(|length| number(length).is_some());
    assert!(
        !is_valid || !lengths.is_empty() || is_coded || !message.has_body(),
        "{what}"
    );

    let other = codings
        .iter()
        .any(|coding| !["", "chunked", "identity"].contains(&&**coding));
    let needs_chunked = matches!(message.start, Start::Request(method) if method != Method::POST);
    let before = before.get_all(TRANSFER_ENCODING).into_iter();
    let after = after.get_all(TRANSFER_ENCODING).into_iter();
    if !is_coded || !message.has_body() || (!other && !needs_chunked) {
        assert_eq!(after.count(), 0, "{what}");
    } else if other {
        assert!(before.eq(after), "{what}");
    } else {
        assert!(after.eq(["chunked"]), "{what}");
    }
}

/// `Connection` is there with `Upgrade` alone, and that where both sides mean it.
fn assert_upgrade(message: Message, before: &HeaderMap, after: &HeaderMap, what: &str) {
    let connection: Vec<_> = after.get_all(CONNECTION).into_iter().collect();
    if !after.contains_key(UPGRADE) {
        assert!(connection.is_empty(), "{what}");
        return;
    }
    assert_eq!(connection, ["upgrade"], "{what}");
    let may_upgrade = match message.start {
        Start::Request(_) => {
            message.version == Version::HTTP_11 && list(before, &CONNECTION).contains("upgrade")
        }
        Start::Response(status) => {
            message.version < Version::HTTP_2 && matches!(status.as_u16(), 101 | 426)
        }
    };
    assert!(may_upgrade, "{what}");
    assert!(
        before
            .get_all(UPGRADE)
            .into_iter()
            .eq(after.get_all(UPGRADE)),
        "{what}"
    );
    assert!(!list(after, &UPGRADE).contains("h2c"), "{what}");
}

/// Names are removed from it, and not added.
fn assert_trailer(before: &HeaderMap, after: &HeaderMap, named: &HashSet<String>, what: &str) {
    let stays = |name: &String| {
        let name = &**name;
        let hop = ["connection", "te", "upgrade"].contains(&name) || GONE.contains(&name);
        let protected =
            STAYS.contains(&name) || ["content-length", "transfer-encoding"].contains(&name);
        !hop && (protected || !named.contains(name))
    };
    let (was, is) = (list(before, &TRAILER), list(after, &TRAILER));
    let expected: HashSet<_> = if named.contains("trailer") {
        HashSet::new()
    } else {
        was.iter().filter(|name| stays(name)).cloned().collect()
    };
    let blank = |names: HashSet<String>| -> HashSet<_> {
        names.into_iter().filter(|name| !name.is_empty()).collect()
    };
    assert_eq!(blank(is), blank(expected), "{what}");
    let count = |headers: &HeaderMap| headers.get_all(TRAILER).into_iter().count();
    assert!(count(after) <= count(before).max(1), "{what}");
    let is_untouched = before
        .get_all(TRAILER)
        .into_iter()
        .eq(after.get_all(TRAILER));
    assert!(is_untouched || count(after) <= 1, "{what}");
}

/// One field a line; what is none is left out.
fn parse(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|&byte| byte == b'\n').take(1_000) {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let name = HeaderName::from_bytes(name);
        // Without the blanks around it, as it comes off the wire.
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The elements of all fields of a name, in lower case.
fn list(headers: &HeaderMap, name: &HeaderName) -> HashSet<String> {
    let fields = headers.get_all(name).into_iter();
    let elements = fields.flat_map(|field| field.as_bytes().split(|&byte| byte == b','));
    elements
        .map(|element| element.trim_ascii().to_ascii_lowercase())
        // One character a byte, so that none is lost.
        .map(|element| element.into_iter().map(char::from).collect())
        .collect()
}

/// The values of each name in their order.
fn values(headers: &HeaderMap) -> BTreeMap<&str, Vec<&HeaderValue>> {
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        values.entry(name.as_str()).or_default().push(value);
    }
    values
}

fn size(headers: &HeaderMap) -> usize {
    let fields = headers.iter();
    fields
        .map(|(name, value)| name.as_str().len().saturating_add(value.len()))
        .fold(0, usize::saturating_add)
}
