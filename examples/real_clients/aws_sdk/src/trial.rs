//! Messages at moments that matter, and one whose answer is lost.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use real_clients_common::{ClientReport, Host, Lateness, PAUSES, Report, answer, visit};

use crate::client::HttpClient;
use crate::queue::{IDLE_TIMEOUT, queue};

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run() -> Result<Report, String> {
    let lateness = Lateness::watch();
    let policy = KeepAlivePolicy::default().max_idle(IDLE_TIMEOUT);
    let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
    let ours = || SharedHttpClient::new(HttpClient::new(keep_alive.clone()));
    let (plain, guarded) = tokio::try_join!(
        send("aws-sdk, no retries", own(), None),
        send("http-keepalive, no retries", ours(), Some(&keep_alive)),
    )?;
    let (plain_twice, guarded_twice) = tokio::try_join!(lose_answer(own()), lose_answer(ours()))?;

    let holds = [
        plain.tally.failed == 2,
        guarded.tally.failed == 0 && guarded.reused > 0,
        plain_twice
            == Sent {
                times: 2,
                is_confirmed: true,
            },
        guarded_twice
            == Sent {
                times: 1,
                is_confirmed: false,
            },
    ];
    let report = Report::new([plain, guarded], lateness.worst());
    Ok(report
        .claim("the SDK loses each request that meets a close", holds[0])
        .claim(
            "with http-keepalive none is lost, and connections are reused",
            holds[1],
        )
        .claim(
            "the SDK sends a message twice that the queue had taken",
            holds[2],
        )
        .claim(
            "with http-keepalive that message is in the queue once",
            holds[3],
        ))
}

/// The SDK's own client, without TLS.
fn own() -> SharedHttpClient {
    Builder::new().build_http()
}

/// Without retries, to see what they would hide.
async fn send(
    name: &'static str,
    http_client: SharedHttpClient,
    keep_alive: Option<&KeepAlive>,
) -> Result<ClientReport, String> {
    let host = Host::start(queue()).await?;
    let client = client(&host, http_client, RetryConfig::disabled());
    let exchange = async || answer(message(&client), PATIENCE).await;
    Ok(visit(name, &host, keep_alive, &PAUSES, exchange).await)
}

/// What became of a message whose answer was lost, on a connection that had been used before.
#[derive(Debug, Eq, PartialEq)]
struct Sent {
    times: usize,
    is_confirmed: bool,
}

/// With the SDK's own retries.
async fn lose_answer(http_client: SharedHttpClient) -> Result<Sent, String> {
    let host = Host::start(queue()).await?;
    let client = client(&host, http_client, RetryConfig::standard());
    let first = message(&client).await;
    first.map_err(|error| error.to_string())?;
    // The pool gets the connection back.
    tokio::time::sleep(Duration::from_millis(100)).await;

    host.lose_next_response();
    let second = message(&client).await;
    Ok(Sent {
        times: host.server().requests().len() - 1,
        is_confirmed: second.is_ok(),
    })
}

async fn message(client: &Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let message = client.send_message().queue_url("http://queue.test/1/queue");
    message.message_body("content").send().await?;
    Ok(())
}

fn client(host: &Host, http_client: SharedHttpClient, retries: RetryConfig) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "trial"))
        .endpoint_url(host.url())
        .retry_config(retries)
        .http_client(http_client)
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::timeout::TimeoutConfig;
    use aws_sdk_sqs::error::{ConnectorError, SdkError};
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use real_clients_common::{Server, passes_its_check, shows};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_request_is_lost_and_no_message_is_sent_twice() {
        assert!(passes_its_check(run).await);
    }

    #[tokio::test]
    async fn the_read_timeout_of_the_configuration_is_heeded() {
        let silent = Server::builder().handler(async |_| std::future::pending().await);
        let host = Host::start(silent).await.unwrap();
        let client = client(&host, ours(), RetryConfig::disabled());
        let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_millis(100));
        let config = client
            .config()
            .to_builder()
            .timeout_config(timeouts.build());

        let error = message(&Client::from_conf(config.build()))
            .await
            .unwrap_err();

        assert!(is_failure(&*error, ConnectorError::is_timeout));
    }

    #[tokio::test]
    async fn what_was_never_sent_may_be_repeated() {
        let host = Host::start(queue()).await.unwrap();
        let client = client(&host, ours(), RetryConfig::disabled());
        drop(host);

        let error = message(&client).await.unwrap_err();

        assert!(is_failure(&*error, ConnectorError::is_io));
    }

    #[test]
    fn the_guide_shows_this_client() {
        let page = include_str!("../../../../src/guide/aws_sdk.md");
        assert!(shows(page, include_str!("client.rs")));
    }

    fn ours() -> SharedHttpClient {
        SharedHttpClient::new(HttpClient::default())
    }

    fn is_failure(
        error: &(dyn std::error::Error + 'static),
        of_kind: fn(&ConnectorError) -> bool,
    ) -> bool {
        match error.downcast_ref::<SdkError<SendMessageError>>() {
            Some(SdkError::DispatchFailure(failure)) => {
                failure.as_connector_error().is_some_and(of_kind)
            }
            _ => false,
        }
    }
}
