//! The proxies: what they are, how they are started, who closes the connections through them, and what a client is told.

use std::time::Duration;

use http_keepalive::KeepAlivePolicy;

use super::route::Route;
use super::servers::{IDLE_TIMEOUT, SERVERS, Says, Server};

/// An idle timeout that does not run out while a trial lasts.
const LONG: Duration = Duration::from_secs(60);

/// [`IDLE_TIMEOUT`] for those that count in whole seconds, begun ones too: they close up to one sooner.
const COUNTED: Duration = Duration::from_secs(IDLE_TIMEOUT.as_secs() + 1);

/// A proxy before two origins.
pub struct Case {
    pub proxy: Server,
    pub route: Route,
    /// The proxy's idle timeout, as set.
    pub proxy_idle: Duration,
    pub origin: &'static Server,
    /// The origins' idle timeout, as set.
    pub origin_idle: Duration,
    pub closes: Closes,
    /// What a client is told that is to lose nothing.
    pub told: fn() -> KeepAlivePolicy,
}

/// Who closes the client's connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Closes {
    /// The proxy, always after the same time.
    Proxy,
    /// The proxy, now sooner and now later by seconds.
    ProxyLoosely,
    /// The proxy, right behind each response, so that a client has both at once.
    ProxyAtOnce,
    /// The origin.
    Origin,
    /// Nobody, while the trial lasts: the origin closes the *proxy's* connection.
    Nobody,
}

impl Closes {
    /// Whether idle times that are measured agree.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Proxy | Self::Origin)
    }
}

pub static CASES: [Case; 9] = [
    Case {
        proxy: squid("squid closes"),
        route: Route::Forward,
        proxy_idle: COUNTED,
        origin: HINTING,
        origin_idle: LONG,
        closes: Closes::ProxyLoosely,
        told: expect,
    },
    Case {
        proxy: squid("squid, origin closes"),
        route: Route::Forward,
        proxy_idle: LONG,
        origin: SILENT,
        origin_idle: IDLE_TIMEOUT,
        closes: Closes::Nobody,
        told: || KeepAlivePolicy::default().max_idle(LONG),
    },
    Case {
        proxy: Server {
            name: "Apache httpd closes",
            package: "apache2-bin",
            command: &["apache2", "-D", "FOREGROUND", "-f", "@DIR@/apache.conf"],
            environment: &[],
            files: &[("apache.conf", include_str!("proxies/apache.conf"))],
            says: Says::WhenAsked,
        },
        route: Route::Forward,
        proxy_idle: IDLE_TIMEOUT,
        origin: HINTING,
        origin_idle: LONG,
        closes: Closes::Proxy,
        // It says so itself.
        told: KeepAlivePolicy::default,
    },
    Case {
        proxy: tinyproxy("tinyproxy closes at once"),
        route: Route::Forward,
        proxy_idle: LONG,
        origin: HINTING,
        origin_idle: LONG,
        closes: Closes::ProxyAtOnce,
        told: || KeepAlivePolicy::default().max_requests(1),
    },
    Case {
        proxy: tinyproxy("tinyproxy closes"),
        route: Route::Tunnel,
        proxy_idle: IDLE_TIMEOUT,
        origin: SILENT,
        origin_idle: LONG,
        closes: Closes::Proxy,
        told: expect,
    },
    Case {
        proxy: squid("squid closes"),
        route: Route::Tunnel,
        proxy_idle: COUNTED,
        origin: HINTING,
        origin_idle: LONG,
        closes: Closes::ProxyLoosely,
        told: expect,
    },
    Case {
        proxy: tinyproxy("tinyproxy, origin closes"),
        route: Route::Tunnel,
        proxy_idle: LONG,
        origin: SILENT,
        origin_idle: IDLE_TIMEOUT,
        closes: Closes::Origin,
        told: expect,
    },
    Case {
        proxy: Server {
            name: "dante closes",
            package: "dante-server",
            command: &["danted", "-f", "danted.conf", "-p", "@DIR@/pid"],
            environment: &[],
            files: &[("danted.conf", include_str!("proxies/danted.conf"))],
            says: Says::Nothing,
        },
        route: Route::Socks,
        proxy_idle: COUNTED,
        origin: HINTING,
        origin_idle: LONG,
        closes: Closes::ProxyLoosely,
        told: expect,
    },
    Case {
        // Its idle timeout is 15 minutes.
        proxy: Server {
            name: "microsocks, origin closes",
            package: "microsocks",
            command: &["microsocks", "-i", "127.0.0.1", "-p", "@PORT@"],
            environment: &[],
            files: &[],
            says: Says::Nothing,
        },
        route: Route::Socks,
        proxy_idle: LONG,
        origin: SILENT,
        origin_idle: IDLE_TIMEOUT,
        closes: Closes::Origin,
        told: expect,
    },
];

/// nginx.
static SILENT: &Server = &SERVERS[0];
/// nginx that names its timeout, which is not that of a tunnel to it.
static HINTING: &Server = &SERVERS[1];

/// The timeout of who closes first, whatever the origin says of its own.
fn expect() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
        .max_idle(IDLE_TIMEOUT)
        .hint_ceiling(IDLE_TIMEOUT)
}

const fn squid(name: &'static str) -> Server {
    Server {
        name,
        package: "squid",
        command: &["squid", "-N", "-n", "squid@PORT@", "-f", "squid.conf"],
        environment: &[],
        files: &[("squid.conf", include_str!("proxies/squid.conf"))],
        says: Says::Nothing,
    }
}

const fn tinyproxy(name: &'static str) -> Server {
    Server {
        name,
        package: "tinyproxy-bin",
        command: &["tinyproxy", "-d", "-c", "tinyproxy.conf"],
        environment: &[],
        files: &[("tinyproxy.conf", include_str!("proxies/tinyproxy.conf"))],
        says: Says::Nothing,
    }
}
