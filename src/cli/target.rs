//! One URL: where it leads, and the request for it.

use std::net::{IpAddr, SocketAddr};

use http::uri::{Authority, PathAndQuery, Scheme, Uri};

use super::args::{Args, Method};

/// What is to be measured.
#[derive(Clone, Debug)]
pub(super) struct Url {
    pub(super) is_tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    authority: Authority,
    path: PathAndQuery,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected a URL such as https://example.org/health";
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("{error}, {expected}"))?;
        let parts = uri.into_parts();
        let is_tls = match &parts.scheme {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) => return Err(format!("the scheme {scheme} is not known, {expected}")),
            None => return Err(expected.to_owned()),
        };
        let authority = parts
            .authority
            .filter(|authority| !authority.host().is_empty())
            .ok_or(expected)?;
        if authority.as_str().contains('@') {
            return Err(
                "expected a URL without a user; set --header 'Authorization: …'".to_owned(),
            );
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // What stands there is no number of a port, or nothing does.
            None if authority.as_str() != authority.host() => {
                return Err(format!("expected a port behind the colon, {expected}"));
            }
            None if is_tls => 443,
            None => 80,
        };
        let host = without_brackets(authority.host()).to_ascii_lowercase();
        Ok(Self {
            is_tls,
            host,
            port,
            authority,
            path: parts
                .path_and_query
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// Where a tunnel leads to.
    pub(super) fn tunnel(&self) -> Result<Uri, String> {
        let authority = self.host_and_port();
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(authority)
            .path_and_query("/");
        uri.build().map_err(|error| error.to_string())
    }

    pub(super) fn host_and_port(&self) -> String {
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// The addresses behind the name, or why there are none.
    pub(super) async fn resolve(&self, args: &Args) -> Result<Vec<SocketAddr>, String> {
        let chosen: Vec<_> = args
            .resolve
            .iter()
            .filter(|resolve| resolve.host == self.host && resolve.port == self.port)
            .map(|resolve| SocketAddr::new(resolve.address, resolve.port))
            .collect();
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let found = tokio::net::lookup_host((&*self.host, self.port)).await;
        let found =
            found.map_err(|error| format!("no address is known of {}: {error}", self.host))?;
        let mut addresses = Vec::new();
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(format!("no address is known of {}", self.host));
        }
        Ok(addresses)
    }

    /// The request, with `Connection: keep-alive` if the server is to be asked for a hint. `is_absolute` is whether
    /// a proxy is asked, which takes the whole URL (RFC 9112 §3.2.2).
    pub(super) fn request(&self, args: &Args, is_absolute: bool, asks: bool) -> Vec<u8> {
        let mut request = format!("{} ", args.method.as_str()).into_bytes();
        if is_absolute {
            request.extend(format!("http://{}", self.authority).bytes());
        }
        // An asterisk stands for the server as a whole (RFC 9110 §9.3.7).
        let is_whole = args.method == Method::Options && self.path.path() == "*";
        let path = if is_whole { "*" } else { self.path.as_str() };
        request.extend(format!("{path} HTTP/1.1\r\n").bytes());
        let given = |name: &str| args.headers.iter().any(|(given, _)| given == name);
        let own = [
            ("host", self.authority.as_str()),
            (
                "user-agent",
                concat!("http-keepalive-probe/", env!("CARGO_PKG_VERSION")),
            ),
            ("accept", "*/*"),
        ];
        for (name, value) in own {
            if !given(name) {
                request.extend(format!("{name}: {value}\r\n").bytes());
            }
        }
        for (name, value) in &args.headers {
            request.extend(format!("{name}: ").bytes());
            request.extend(value.as_bytes());
            request.extend(b"\r\n");
        }
        if asks {
            request.extend(b"connection: keep-alive\r\n");
        }
        request.extend(b"\r\n");
        request
    }
}

/// An IPv6 address as a URL has it, without its brackets.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args(arguments: &[&str]) -> Args {
        Args::try_parse_from([&["probe", "http://a/"], arguments].concat()).unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        for (text, is_tls, host, port) in [
            ("http://Example.org", false, "example.org", 80),
            ("https://example.org/a?b", true, "example.org", 443),
            ("https://[::1]:8443/", true, "::1", 8443),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.is_tls, &*url.host, url.port), (is_tls, host, port));
            assert_eq!(url.tunnel().unwrap().port_u16(), Some(port));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_in_one_line() {
        for text in [
            "",
            "example.org",
            "example.org:80",
            "/path",
            "ftp://example.org/",
            "http://",
            "http://:80/",
            "http://a:/",
            "http://a:99999/",
            "http://user:password@a/",
            "http://a b/",
        ] {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error.lines().count(), 1, "{text}: {error}");
            assert!(error.contains("expected"), "{text}: {error}");
        }
    }

    #[test]
    fn a_request_has_what_was_asked_for_once() {
        let url = Url::parse("http://example.org:81/a?b").unwrap();
        let args = args(&["-H", "User-Agent: me", "-H", "X-A: b"]);
        let text =
            |is_absolute, asks| String::from_utf8(url.request(&args, is_absolute, asks)).unwrap();
        assert_eq!(
            text(false, false),
            "GET /a?b HTTP/1.1\r\nhost: example.org:81\r\naccept: */*\r\nuser-agent: me\r\nx-a: b\r\n\r\n"
        );
        assert!(text(true, false).starts_with("GET http://example.org:81/a?b HTTP/1.1\r\n"));
        assert!(text(false, true).ends_with("connection: keep-alive\r\n\r\n"));
    }
}
