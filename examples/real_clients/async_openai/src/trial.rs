//! Questions at moments that matter, whose answers take longer than the server's idle timeout.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequest};
use futures_util::StreamExt;
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use real_clients_common::{ClientReport, Host, Lateness, PAUSES, Report, answer, visit};

use crate::client::client;
use crate::model::{ANSWER, IDLE_TIMEOUT, model};

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run() -> Result<Report, String> {
    let lateness = Lateness::watch();
    let policy = KeepAlivePolicy::default().max_idle(IDLE_TIMEOUT);
    let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
    let (plain, guarded) = tokio::try_join!(
        ask("async-openai", Client::with_config, None),
        ask(
            "async-openai with http-keepalive",
            |config| client(config, &keep_alive),
            Some(&keep_alive)
        ),
    )?;

    let holds = [
        plain.tally.failed == 2,
        guarded.tally.failed == 0,
        guarded.reused == 2,
    ];
    let report = Report::new([plain, guarded], lateness.worst());
    Ok(report
        .claim("async-openai loses each question that meets a close", holds[0])
        .claim("with http-keepalive none is lost, and every answer is whole", holds[1])
        .claim(
            "with http-keepalive connections are reused after answers that took longer than the idle timeout",
            holds[2],
        ))
}

async fn ask(
    name: &'static str,
    client: impl FnOnce(OpenAIConfig) -> Client<OpenAIConfig>,
    keep_alive: Option<&KeepAlive>,
) -> Result<ClientReport, String> {
    let host = Host::start(model()).await?;
    let config = OpenAIConfig::new()
        .with_api_base(host.url())
        .with_api_key("key");
    let client = client(config);
    let exchange = async || answer(question(&client), PATIENCE).await;
    let report = visit(name, &host, keep_alive, &PAUSES, exchange).await;
    Ok(report)
}

async fn question(
    client: &Client<OpenAIConfig>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let message = ChatCompletionRequestUserMessage::from("How long?").into();
    let question = CreateChatCompletionRequest {
        model: "m".to_owned(),
        messages: vec![message],
        stream: Some(true),
        ..CreateChatCompletionRequest::default()
    };
    let mut chunks = client.chat().create_stream(question).await?;
    let mut said = String::new();
    while let Some(chunk) = chunks.next().await {
        for choice in chunk?.choices {
            said += choice.delta.content.as_deref().unwrap_or_default();
        }
    }
    if said == ANSWER.concat() {
        Ok(())
    } else {
        Err(format!("the answer broke off: {said:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use async_openai::error::OpenAIError;
    use http_keepalive::{Provenance, RequestOutcome};
    use real_clients_common::{install_crypto, passes_its_check, shows};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_question_is_lost_and_long_answers_leave_their_connection_usable() {
        assert!(passes_its_check(run).await);
    }

    #[tokio::test]
    async fn a_question_that_was_lost_is_sent_once_and_leads_to_its_provenance() {
        install_crypto();
        let host = Host::start(model()).await.unwrap();
        let config = OpenAIConfig::new()
            .with_api_base(host.url())
            .with_api_key("key");
        let client = client(config, &KeepAlive::default());
        question(&client).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;

        host.lose_next_response();
        let error = question(&client).await.unwrap_err();

        let provenance = match error.downcast_ref() {
            Some(OpenAIError::Boxed(error)) => Provenance::of_error(&**error).unwrap(),
            _ => panic!("not of the client: {error}"),
        };
        assert_eq!(provenance.outcome(), RequestOutcome::Stale);
        assert_eq!(host.server().requests().len(), 2);
    }

    #[test]
    fn the_guide_shows_this_client() {
        let page = include_str!("../../../../src/guide/async_openai.md");
        assert!(shows(page, include_str!("client.rs")));
    }
}
