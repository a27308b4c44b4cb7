//! The control: what people do without this crate, a retry of all that failed with `IncompleteMessage`.

use std::error::Error;
use std::future::{Ready, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::retry::{Policy, RetryLayer};

use crate::clients::{self, Answer, BoxError, Rig, post};
use crate::support::errors::find;

/// Repeats once what failed with it, whatever it is.
#[derive(Clone, Debug, Default)]
pub struct Blind {
    has_repeated: bool,
}

impl<E: Error + 'static> Policy<Request<Full<Bytes>>, Response<Incoming>, E> for Blind {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Incoming>, E>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        let repeats = is_incomplete(error) && !std::mem::replace(&mut self.has_repeated, true);
        repeats.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

fn is_incomplete(error: &(dyn Error + 'static)) -> bool {
    find(error).is_some_and(hyper::Error::is_incomplete_message)
}

/// Sends a POST over a connection that was used. The server takes it, and closes; what comes on another connection it
/// answers. Returns the bodies that the server has read, too.
async fn send(rig: &mut Rig) -> (Result<Answer, BoxError>, Vec<String>) {
    let mut end = rig.used().await.unwrap();
    let mut seen = Vec::new();
    let answer = tokio::select! {
        answer = (rig.send)(post("pay")) => answer,
        () = async {
            seen.push(end.request().await);
            end.close();
            let mut other = rig.ends.recv().await.unwrap();
            seen.push(other.serve().await);
            std::future::pending().await
        } => unreachable!(),
    };
    (answer, seen)
}

#[tokio::test]
async fn it_has_a_payment_made_twice() {
    let mut rig = clients::assembled::rig(RetryLayer::new(Blind::default())).await;

    let (answer, seen) = send(&mut rig).await;

    assert!(answer.is_ok(), "its caller is told nothing of it");
    assert_eq!(seen, ["pay", "pay"]);
}

#[cfg(feature = "rustls")]
#[tokio::test]
async fn over_tls_it_misses_the_failure() {
    use http_keepalive::{Provenance, RequestOutcome};

    let mut rig = clients::ready_made::rig(RetryLayer::new(Blind::default())).await;

    let (answer, seen) = send(&mut rig).await;

    let error = answer.err().unwrap();
    assert!(!is_incomplete(&*error), "{error:?}");
    assert_eq!(seen, ["pay"]);
    let provenance = Provenance::of_error(&*error).unwrap();
    assert_eq!(provenance.outcome(), RequestOutcome::Stale);
}
