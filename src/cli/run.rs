//! All URLs, each address behind their names by itself.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::ops::Deref;
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
    let mut permits = HashMap::new();
    let places: Vec<_> = args
        .urls
        .iter()
        .map(|text| {
            let url = Url::parse(text)?;
            let permits = permits
                .entry(leads_to(args, &url))
                .or_insert_with(|| Arc::new(Semaphore::new(args.connections as usize)));
            Ok::<_, String>((url, Arc::clone(permits)))
        })
        .collect();
    // The platform's certificates are many: they are read once, if at all.
    let tls = LazyCell::new(|| tls::config(args.insecure).map(Arc::new));
    let measured = args.urls.iter().zip(&places).map(|(text, place)| {
        let (time, tls, options, interrupted) = (&time, &tls, &options, interrupted.clone());
        async move {
            let begun = time.now();
            let result = match place {
                Ok((url, permits)) => {
                    measure(args, url, tls, time, permits, progress, interrupted).await
                }
                Err(error) => Err(error.clone()),
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

/// What takes the connections for a URL. However many URLs lead to it, only so many are open to it at once.
fn leads_to(args: &Args, url: &Url) -> String {
    if args.unix_socket.is_some() {
        // No host has this name.
        return String::new();
    }
    let proxy = args.http_proxy.as_ref().and_then(Uri::host);
    proxy.unwrap_or(&url.host).to_owned()
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
    tls: &impl Deref<Target = Result<Arc<ClientConfig>, String>>,
    time: &Time,
    permits: &Semaphore,
    progress: &Progress,
    interrupted: watch::Receiver<bool>,
) -> Result<Vec<Address>, String> {
    let tls = if url.is_tls {
        Some((tls.deref().clone()?, server_name(url)?))
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
            config: Arc::clone(config),
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
        "{}: at most {most} connections to each of {addresses} address{s}{left_out}, {} at once, idle for up to {:?}",
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
        let tunnel = url.is_tls.then(|| url.tunnel()).transpose()?;
        let peer = Peer::Proxy {
            proxy: proxy.clone(),
            tunnel,
        };
        let by = proxy
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        return Ok(vec![(format!("{} by {by}", url.host_and_port()), peer)]);
    }
    let addresses = url.resolve(args).await?;
    let peers = addresses.into_iter();
    Ok(peers
        .map(|address| (address.to_string(), Peer::Tcp(address)))
        .collect())
}
