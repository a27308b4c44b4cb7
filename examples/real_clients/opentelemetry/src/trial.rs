//! A metric that is exported by the clock, to a server whose idle timeout is the interval.

use std::sync::Arc;
use std::time::Duration;

use http_keepalive::{KeepAlive, KeepAlivePolicy};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{MetricExporter, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use real_clients_common::{ClientReport, Host, Lateness, Report, Server, Tally};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::client::ExportClient;
use crate::counted::Counted;

/// The SDK's interval and the server's timeout, which both are 60 s by default, scaled.
const MINUTE: Duration = Duration::from_secs(1);

/// By how much the network's delay differs from one request to the next. Not scaled: it is longer than the server takes
/// to answer, and that is all it takes.
const JITTER: Duration = Duration::from_millis(50);

const EXPORTS: u64 = 8;

/// The exporter's own default.
const TIMEOUT: Duration = Duration::from_secs(10);

pub async fn run() -> Result<Report, String> {
    let lateness = Lateness::watch();
    let policy = KeepAlivePolicy::default().max_idle(MINUTE);
    let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
    let ours = ExportClient::new(&keep_alive, TIMEOUT);
    let (once, retried, ours) = tokio::join!(
        export(
            "reqwest, no retries",
            reqwest().await?,
            None,
            RetryPolicy::disabled()
        ),
        export(
            "reqwest, 3 retries",
            reqwest().await?,
            None,
            RetryPolicy::default()
        ),
        export(
            "http-keepalive, no retries",
            ours,
            Some(&keep_alive),
            RetryPolicy::disabled()
        ),
    );
    let (once, retried, ours) = (once?, retried?, ours?);

    let holds = [
        once.tally.failed > 0,
        retried.tally.failed > 0,
        ours.tally.failed == 0,
    ];
    let report = Report::new([once, retried, ours], lateness.worst());
    Ok(report
        .claim("without retries exports are lost", holds[0])
        .claim("with retries exports are sent twice", holds[1])
        .claim(
            "with http-keepalive each is sent once, and none is lost",
            holds[2],
        ))
}

/// The exporter's own client, as the exporter makes it.
async fn reqwest() -> Result<reqwest::blocking::Client, String> {
    // It has a runtime of its own, which must not be made within another.
    let built = spawn_blocking(|| {
        reqwest::blocking::Client::builder()
            .timeout(TIMEOUT)
            // A proxy of the environment is not to be on the way to this process.
            .no_proxy()
            .build()
    });
    let built = built.await.map_err(|error| error.to_string())?;
    built.map_err(|error| error.to_string())
}

async fn export(
    name: &'static str,
    client: impl HttpClient + 'static,
    keep_alive: Option<&KeepAlive>,
    retries: RetryPolicy,
) -> Result<ClientReport, String> {
    let host = Host::start(Server::builder().idle_timeout(MINUTE)).await?;
    host.delay_second_requests(JITTER);

    let tally = Arc::new(watch::Sender::new(Tally::default()));
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(Counted::new(client, Arc::clone(&tally)))
        .with_retry_policy(retries)
        .with_endpoint(format!("{}/v1/metrics", host.url()))
        .build()
        .map_err(|error| error.to_string())?;
    let reader = PeriodicReader::builder(exporter)
        .with_interval(MINUTE)
        .build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let counter = provider.meter("trial").u64_counter("requests").build();
    counter.add(1, &[]);

    let mut exported = tally.subscribe();
    let waited = exported.wait_for(|tally| tally.requests >= EXPORTS).await;
    drop(waited.map_err(|error| error.to_string())?);
    let report = ClientReport::of(
        name,
        &host,
        keep_alive,
        tally.send_replace(Tally::default()),
    );

    // It exports once more, and waits for that.
    let ended = spawn_blocking(move || provider.shutdown()).await;
    ended
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_keepalive::{
        IdleAwareConnector, KeepAlive, KeepAlivePolicy, Provenance, RequestOutcome,
    };
    use hyper_util::client::legacy::connect::HttpConnector;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_http::hyper::HyperClient;
    use opentelemetry_http::{Bytes, HttpClient, Request};
    use opentelemetry_otlp::{MetricExporter, WithExportConfig, WithHttpConfig};
    use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
    use real_clients_common::{Host, Server, passes_its_check, shows};
    use tokio::task::spawn_blocking;

    use super::{MINUTE, TIMEOUT, run};
    use crate::client::ExportClient;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_export_is_lost_though_the_interval_is_the_servers_idle_timeout() {
        assert!(passes_its_check(run).await);
    }

    #[tokio::test]
    async fn the_client_of_opentelemetry_http_takes_the_connector() {
        let host = Host::start(Server::builder().idle_timeout(MINUTE));
        let host = host.await.unwrap();
        let keep_alive = KeepAlive::new(KeepAlivePolicy::default().max_idle(MINUTE)).unwrap();
        let client = hyper_client(&keep_alive);

        for _ in 0..2 {
            client.send_bytes(request(&host)).await.unwrap();
            host.closed().await;
        }

        assert_eq!(keep_alive.stats().retired.idle_deadline, 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_client_of_opentelemetry_http_exports_nothing_on_the_sdks_own_thread() {
        let host = Host::start(Server::builder()).await.unwrap();
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(hyper_client(&KeepAlive::default()))
            .with_endpoint(host.url())
            .build();
        let reader = PeriodicReader::builder(exporter.unwrap()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let counter = provider.meter("trial").u64_counter("requests").build();
        counter.add(1, &[]);

        let flushed = spawn_blocking(move || provider.force_flush()).await;

        assert!(flushed.unwrap().is_err());
        assert_eq!(host.server().connections(), 0);
    }

    #[tokio::test]
    async fn the_error_of_an_export_leads_to_its_provenance() {
        let host = Host::start(Server::builder().idle_timeout(Duration::from_millis(100)));
        let host = host.await.unwrap();
        let client = ExportClient::new(&KeepAlive::default(), TIMEOUT);

        client.send_bytes(request(&host)).await.unwrap();
        host.closed().await;
        let error = client.send_bytes(request(&host)).await.unwrap_err();

        let provenance = Provenance::of_error(&*error).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Stale);
    }

    #[test]
    fn the_guide_shows_this_client() {
        let page = include_str!("../../../../src/guide/opentelemetry.md");
        assert!(shows(page, include_str!("client.rs")));
    }

    fn hyper_client(keep_alive: &KeepAlive) -> HyperClient<IdleAwareConnector<HttpConnector>> {
        HyperClient::new(keep_alive.connector(HttpConnector::new()), TIMEOUT, None)
    }

    fn request(host: &Host) -> Request<Bytes> {
        Request::post(host.url()).body(Bytes::new()).unwrap()
    }
}
