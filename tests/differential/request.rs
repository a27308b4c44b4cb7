//! Requests as a caller hands them to hyper.

use http::{Request, Uri, Version};

use super::input::Input;
use super::upload::{Gate, Payload, Upload};

type Fields = &'static [(&'static str, &'static str)];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "CONNECT", "OPTIONS", "head", "X",
];

const FIELDS: [Fields; 10] = [
    &[("host", "a")],
    &[],
    &[("host", "a"), ("expect", "100-continue")],
    &[("connection", "close")],
    &[("connection", "keep-alive")],
    &[("connection", "upgrade"), ("upgrade", "websocket")],
    &[("transfer-encoding", "chunked")],
    &[("te", "trailers"), ("trailer", "x-sum")],
    // From here on hyper may write something else than it counts.
    &[("content-length", "5")],
    &[("transfer-encoding", "gzip")],
];
const WELL_FORMED: usize = 8;

/// A request, to be made as often as it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) method: &'static str,
    version: Version,
    /// Which URI a client gets.
    form: u8,
    fields: usize,
    payload: Payload,
}

/// URIs of one origin.
const URIS: [&str; 4] = [
    "http://server.test/",
    "http://server.test/b?c",
    "http://Server.test:80?c",
    "http://server.test",
];

impl Message {
    pub(super) fn of(input: &mut Input<'_>) -> Self {
        let first = input.byte();
        let (version, method) = (first / 8 % 4, first % 8);
        Self {
            method: METHODS[usize::from(method)],
            version: match version {
                3 => Version::HTTP_10,
                _ => Version::HTTP_11,
            },
            form: version,
            fields: usize::from(input.byte()) % FIELDS.len(),
            payload: Payload::of(input),
        }
    }

    /// Whether what hyper writes is the request that it counts.
    pub(super) fn is_well_formed(&self) -> bool {
        // hyper leaves out the body of a request whose fields promise one, if it gets none.
        self.fields < WELL_FORMED && (self.fields != 6 || !self.payload.is_none())
    }

    fn target(&self) -> &'static str {
        match self.method {
            "CONNECT" => "a:80",
            _ => "/",
        }
    }

    /// What hyper writes first of it; no body holds that.
    pub(super) fn begin(&self) -> String {
        format!("{} {} HTTP/1.", self.method, self.target())
    }

    pub(super) fn request(&self, gate: Gate) -> Request<Upload> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.target())
            .version(self.version);
        for (name, value) in FIELDS[self.fields] {
            request = request.header(*name, *value);
        }
        request.body(Upload::new(self.payload, gate)).unwrap()
    }

    /// As a caller hands it to a client, which finds the connection for it.
    pub(super) fn request_to_origin(&self, gate: Gate) -> Request<Upload> {
        let mut request = self.request(gate);
        if self.method != "CONNECT" {
            *request.uri_mut() = Uri::from_static(URIS[usize::from(self.form)]);
        }
        request
    }

    /// Whether this is the request that was made, untouched.
    pub(super) fn is_untouched(&self, request: &Request<Upload>) -> bool {
        let like = self.request(Gate::default());
        request.method() == like.method()
            && request.uri() == like.uri()
            && request.version() == like.version()
            && request.headers() == like.headers()
            && !request.body().was_polled()
    }
}
