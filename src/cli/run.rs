//! All URLs, each address behind their names by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::{Semaphore, watch};

use super::args::Args;
use super::dial::{Peer, Route, RouteTls};
use super::plan::{self, Bytes};
use super::progress::Progress;
use super::report::{self, Address, Options, Outcome, Report, Seconds};
use super::site::{Site, is_interrupted};
use super::target::Url;
use super::time::Time;
use super::{tls, verdict};

/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(10);

/// How many addresses of a name are measured.
const MAX_ADDRESSES: usize = 16;

/// Measures all that was asked for, until it is done or interrupted.
pub(super) async fn run(
    args: &Args,
    progress: &Progress,
    interrupted: watch::Receiver<bool>,
) -> Report {
    let time = Time::default();
    let options = Options {
        max_wait: Seconds(args.max_wait),
        at_least: args.at_least.map(Seconds),
        active: args.active,
        requests: args.requests,
        http_proxy: args.http_proxy.is_some(),
    };
    let parsed: Vec<_> = args
        .urls
        .iter()
        .map(|text| (text, Url::parse(text)))
        .collect();
    // One for each host, however many URLs lead to it. A proxy is the host behind which all others are.
    let host = |url: &Url| match args.http_proxy.as_ref().and_then(Uri::host) {
        Some(proxy) => proxy.to_owned(),
        None => url.host.clone(),
    };
    let mut permits = HashMap::new();
    for (_, url) in &parsed {
        if let Ok(url) = url {
            permits
                .entry(host(url))
                .or_insert_with(|| Arc::new(Semaphore::new(args.connections as usize)));
        }
    }
    let measured = parsed.iter().map(|(text, url)| {
        let permits = url.as_ref().ok().and_then(|url| permits.get(&host(url)));
        let (time, options, interrupted) = (&time, &options, interrupted.clone());
        async move {
            let begun = time.now();
            let result = match (url, permits) {
                (Ok(url), Some(permits)) => {
                    measure(args, url, time, permits, progress, interrupted).await
                }
                (Err(error), _) => Err(error.clone()),
                (Ok(_), None) => Err(String::new()),
            };
            let elapsed = time.now().since(&begun).duration();
            target(text, result, options, elapsed)
        }
    });
    let targets = join_all(measured).await;
    let interrupted = *interrupted.borrow();
    Report {
        version: report::VERSION,
        program: concat!("http-keepalive-probe ", env!("CARGO_PKG_VERSION")),
        options,
        targets,
        interrupted,
    }
}

/// What was found of one URL, with what follows from it.
fn target(
    url: &str,
    result: Result<Vec<Address>, String>,
    options: &Options,
    elapsed: Duration,
) -> report::Target {
    let (addresses, error) = match result {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let opened: usize = addresses
        .iter()
        .map(|address| address.connections.len())
        .sum();
    let mut target = report::Target {
        url: url.to_owned(),
        error,
        addresses_differ: verdict::addresses_differ(&addresses),
        addresses,
        connections_opened: u32::try_from(opened).unwrap_or(u32::MAX),
        elapsed: Seconds(elapsed),
        outcome: Outcome::Failed,
        verdict: String::new(),
    };
    target.outcome = verdict::outcome(&target, options);
    target.verdict = verdict::sentence(&target, options);
    target
}

/// Measures the addresses behind one name. An error is why there is nothing to measure.
async fn measure(
    args: &Args,
    url: &Url,
    time: &Time,
    permits: &Semaphore,
    progress: &Progress,
    interrupted: watch::Receiver<bool>,
) -> Result<Vec<Address>, String> {
    let tls = if url.is_tls {
        Some((Arc::new(tls::config(args.insecure)?), server_name(url)?))
    } else {
        None
    };
    let peers = tokio::select! {
        peers = time.within(RESOLVE, peers(args, url)) => {
            peers.unwrap_or_else(|| Err(format!("{} does not resolve within {RESOLVE:?}", url.host)))?
        }
        () = is_interrupted(interrupted.clone()) => {
            return Err("interrupted".to_owned());
        }
    };
    let is_absolute = args.http_proxy.is_some() && !url.is_tls;
    let requests = Bytes {
        plain: url.request(args, is_absolute, false),
        asking: url.request(args, is_absolute, true),
    };
    let left_out = peers.len().saturating_sub(MAX_ADDRESSES);
    progress.say(&announcement(
        args,
        url,
        peers.len().saturating_sub(left_out),
        left_out,
    ));
    let measured = peers.into_iter().take(MAX_ADDRESSES).map(|(name, peer)| {
        let tls = tls.as_ref().map(|(config, name)| RouteTls {
            config: Arc::<ClientConfig>::clone(config),
            name: name.clone(),
        });
        let (requests, interrupted) = (&requests, interrupted.clone());
        async move {
            let route = Route {
                peer,
                tls,
                time: time.clone(),
            };
            let bar = progress.bar(&name);
            let site = Site::new(&route, time, permits, interrupted, bar, args.at_least);
            plan::probe(&site, args, requests, url.is_tls, name).await
        }
    });
    Ok(join_all(measured).await)
}

/// What is going to be done to the host.
fn announcement(args: &Args, url: &Url, addresses: usize, left_out: usize) -> String {
    let most = plan::most_connections(args, url.is_tls);
    let left_out = if left_out > 0 {
        format!(" ({left_out} more are left out)")
    } else {
        String::new()
    };
    let s = if addresses == 1 { "" } else { "es" };
    format!(
        "{}: at most {most} connections to each of {addresses} address{s}{left_out}, {} at once, each for up to {:?}",
        url.host, args.connections, args.max_wait
    )
}

fn server_name(url: &Url) -> Result<ServerName<'static>, String> {
    ServerName::try_from(url.host.clone())
        .map_err(|_| format!("{} is no name that TLS can verify", url.host))
}

/// Where to connect to, and how that is called.
async fn peers(args: &Args, url: &Url) -> Result<Vec<(String, Peer)>, String> {
    if let Some(path) = &args.unix_socket {
        return Ok(vec![(path.display().to_string(), Peer::Unix(path.clone()))]);
    }
    if let Some(proxy) = &args.http_proxy {
        let tunnel = url.is_tls.then(|| url.tunnel());
        let name = match url.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", url.port),
            _ => format!("{}:{}", url.host, url.port),
        };
        let peer = Peer::Proxy {
            proxy: proxy.clone(),
            tunnel,
        };
        let by = proxy
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        return Ok(vec![(format!("{name} by {by}"), peer)]);
    }
    let addresses = url.resolve(args).await?;
    let peers = addresses.into_iter();
    Ok(peers
        .map(|address| (address.to_string(), Peer::Tcp(address)))
        .collect())
}
