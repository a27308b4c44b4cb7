//! Queries at moments that matter: at once, after more than the crate's own 2 s, and when the server closes.

use std::time::Duration;

use clickhouse::Client;
use http_keepalive::KeepAlive;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use real_clients_common::{
    ClientReport, Host, Lateness, Pause, Report, Server, ServerBuilder, answer, visit,
};

use crate::client::client;

/// ClickHouse's idle timeout, which is 10 s in versions that many run, scaled.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// More than the crate's own `pool_idle_timeout` of 2 s, and less than the server's timeout and this crate's margin.
const THINK: Duration = Duration::from_secs(3);

const PAUSES: [Pause; 5] = [
    Pause::Short,
    Pause::For(THINK),
    Pause::UntilClosed,
    Pause::Short,
    Pause::UntilClosed,
];

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run() -> Result<Report, String> {
    let lateness = Lateness::watch();
    let keep_alive = KeepAlive::default();
    let (own, raised, ours) = tokio::join!(
        ask("clickhouse", Client::default(), None),
        ask("clickhouse, hyper-util's 90 s", raised(), None),
        ask(
            "clickhouse with http-keepalive",
            client(&keep_alive),
            Some(&keep_alive)
        ),
    );
    let (own, raised, ours) = (own?, raised?, ours?);

    let holds = [
        raised.tally.failed == 2,
        ours.tally.failed == 0,
        ours.connections < own.connections,
    ];
    let report = Report::new([own, raised, ours], lateness.worst());
    Ok(report
        .claim("with 90 s, each query that meets a close fails", holds[0])
        .claim("with http-keepalive none fails", holds[1])
        .claim(
            "with http-keepalive fewer connections are needed than with the crate's own 2 s",
            holds[2],
        ))
}

/// The control: without the crate's own 2 s.
fn raised() -> Client {
    Client::with_http_client(
        legacy::Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
    )
}

async fn ask(
    name: &'static str,
    client: Client,
    keep_alive: Option<&KeepAlive>,
) -> Result<ClientReport, String> {
    let host = Host::start(clickhouse()).await?;
    let client = client.with_url(host.url());
    let exchange = async || answer(query(&client), PATIENCE).await;
    Ok(visit(name, &host, keep_alive, &PAUSES, exchange).await)
}

async fn query(client: &Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(client.query("SELECT 1").execute().await?)
}

/// ClickHouse names its timeout though nobody asked.
fn clickhouse() -> ServerBuilder {
    Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .hint(format!("timeout={}, max=9999", IDLE_TIMEOUT.as_secs()))
}

#[cfg(test)]
mod tests {
    use http_keepalive::{KeepAlive, KeepAlivePolicy, Provenance, RequestOutcome};
    use real_clients_common::{Host, passes_its_check, shows};

    use super::{IDLE_TIMEOUT, clickhouse, query, run};
    use crate::client::client;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_query_is_lost_and_connections_are_reused_for_nearly_as_long_as_the_server_keeps_them()
     {
        assert!(passes_its_check(run).await);
    }

    #[tokio::test]
    async fn the_error_of_a_query_leads_to_its_provenance() {
        let host = Host::start(clickhouse()).await.unwrap();
        // As if the server closed sooner than it says.
        let policy = KeepAlivePolicy::default()
            .hints(false)
            .max_idle(2 * IDLE_TIMEOUT);
        let client = client(&KeepAlive::new(policy).unwrap()).with_url(host.url());

        query(&client).await.unwrap();
        host.closed().await;
        let error = query(&client).await.unwrap_err();

        let provenance = Provenance::of_error(&*error).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Stale);
    }

    #[test]
    fn the_guide_shows_this_client() {
        let page = include_str!("../../../../src/guide/clickhouse.md");
        assert!(shows(page, include_str!("client.rs")));
    }
}
