//! Puts at moments that matter, and a create whose answer is lost.

use std::time::Duration;

use http_keepalive::{KeepAlive, KeepAlivePolicy};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpConnector, ReqwestConnector};
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use real_clients_common::{ClientReport, Host, Lateness, PAUSES, Report, answer, visit};

use crate::bucket::{IDLE_TIMEOUT, bucket};
use crate::client::KeepAliveConnector;

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run() -> Result<Report, String> {
    let lateness = Lateness::watch();
    let policy = KeepAlivePolicy::default().max_idle(IDLE_TIMEOUT);
    let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
    let ours = || KeepAliveConnector::new(&keep_alive, PATIENCE);
    let (plain, guarded) = tokio::try_join!(
        put(
            "object_store, no retries",
            ReqwestConnector::default(),
            None
        ),
        put("http-keepalive, no retries", ours(), Some(&keep_alive)),
    )?;
    let (plain_create, guarded_create) =
        tokio::try_join!(create(ReqwestConnector::default()), create(ours()))?;

    let holds = [
        plain.tally.failed == 2,
        guarded.tally.failed == 0 && guarded.reused > 0,
        plain_create == Created::Denied { sent: 2 },
        guarded_create == Created::Unknown { sent: 1 },
    ];
    let report = Report::new([plain, guarded], lateness.worst());
    Ok(report
        .claim("object_store loses each request that meets a close", holds[0])
        .claim("with http-keepalive none is lost, and connections are reused", holds[1])
        .claim(
            "object_store repeats a create that was executed, and reports that the object was there before",
            holds[2],
        )
        .claim("with http-keepalive that create is not repeated", holds[3]))
}

/// Without retries, to see what they would hide.
async fn put(
    name: &'static str,
    connector: impl HttpConnector,
    keep_alive: Option<&KeepAlive>,
) -> Result<ClientReport, String> {
    let host = Host::start(bucket()).await?;
    let store = store(
        &host,
        connector,
        RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        },
    )?;
    let exchange = async || {
        let put = async {
            store.put(&Path::from("object"), "content".into()).await?;
            Ok(())
        };
        answer(put, PATIENCE).await
    };
    Ok(visit(name, &host, keep_alive, &PAUSES, exchange).await)
}

/// What came of a create that was executed, and whose answer was lost on a connection that had been used before.
#[derive(Debug, Eq, PartialEq)]
pub enum Created {
    /// It was reported that the object had been there before.
    Denied { sent: usize },
    /// It was reported that the request failed.
    Unknown { sent: usize },
    /// It was reported that the object was created.
    Confirmed,
}

/// With object_store's own retries.
pub async fn create(connector: impl HttpConnector) -> Result<Created, String> {
    let host = Host::start(bucket()).await?;
    let store = store(&host, connector, RetryConfig::default())?;
    let (first, object) = (Path::from("first"), Path::from("object"));
    let put = store.put(&first, "content".into()).await;
    put.map_err(|error| error.to_string())?;
    // The pool gets the connection back.
    tokio::time::sleep(Duration::from_millis(100)).await;

    host.lose_next_response();
    let created = store
        .put_opts(&object, "content".into(), PutMode::Create.into())
        .await;

    let arrived = host.server().requests();
    let sent = arrived
        .iter()
        .filter(|request| request.path.ends_with(object.as_ref()))
        .count();
    Ok(match created {
        Err(Error::AlreadyExists { .. }) => Created::Denied { sent },
        Err(_) => Created::Unknown { sent },
        Ok(_) => Created::Confirmed,
    })
}

fn store(
    host: &Host,
    connector: impl HttpConnector,
    retries: RetryConfig,
) -> Result<AmazonS3, String> {
    let options = ClientOptions::new().with_allow_http(true);
    AmazonS3Builder::new()
        .with_endpoint(host.url())
        .with_bucket_name("bucket")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_client_options(options)
        .with_http_connector(connector)
        .with_retry(retries)
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use http_keepalive::{KeepAlive, KeepAlivePolicy};
    use object_store::ClientOptions;
    use object_store::client::{HttpConnector, HttpErrorKind, HttpRequestBody};
    use real_clients_common::{Host, passes_its_check, shows};

    use super::{IDLE_TIMEOUT, PATIENCE, bucket, run};
    use crate::client::KeepAliveConnector;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_request_is_lost_and_what_was_executed_is_not_repeated() {
        assert!(passes_its_check(run).await);
    }

    #[tokio::test]
    async fn what_was_never_sent_may_be_repeated_and_what_was_lost_only_if_idempotent() {
        let host = Host::start(bucket()).await.unwrap();
        // As if the server closed sooner than expected.
        let policy = KeepAlivePolicy::default().max_idle(2 * IDLE_TIMEOUT);
        let connector = KeepAliveConnector::new(&KeepAlive::new(policy).unwrap(), PATIENCE);
        let client = connector.connect(&ClientOptions::new()).unwrap();
        let request = |url: String| {
            http::Request::post(url)
                .body(HttpRequestBody::empty())
                .unwrap()
        };

        client.execute(request(host.url())).await.unwrap();
        host.closed().await;
        let lost = client.execute(request(host.url())).await.unwrap_err();
        assert_eq!(lost.kind(), HttpErrorKind::Interrupted);

        let url = host.url();
        drop(host);
        let refused = client.execute(request(url)).await.unwrap_err();
        assert_eq!(refused.kind(), HttpErrorKind::Connect);
    }

    #[test]
    fn the_guide_shows_this_client() {
        let page = include_str!("../../../../src/guide/object_store.md");
        assert!(shows(page, include_str!("client.rs")));
    }
}
