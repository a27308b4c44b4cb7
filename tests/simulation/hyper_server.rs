//! hyper's own server.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::CONNECTION;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::sleep;

use super::body::{Of, PatternBody};
use super::ledger::Closing;
use super::origin::Serving;
use super::pattern::{Side, is_at};
use super::plan::{Fault, Method};
use super::server_end::ServerEnd;
use super::world::Goodbye;

/// Serves a connection until it ends; says why it did.
pub async fn serve(serving: Arc<Serving>, end: ServerEnd) -> Closing {
    let server = &serving.world.server;
    let breaks = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (serving, breaks) = (Arc::clone(&serving), Arc::clone(&breaks));
        async move { Ok::<_, Infallible>(answer(&serving, &breaks, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.idle_timeout)
        .serve_connection(TokioIo::new(end), service);
    let mut connection = pin!(connection);
    match connection.as_mut().await {
        Err(error) if error.is_timeout() => {
            if server.goodbye == Goodbye::Reset {
                serving.ending.reset();
            }
            Closing::Idle
        }
        Err(_) if breaks.load(Ordering::Relaxed) => Closing::Fault,
        _ => Closing::Client,
    }
}

async fn answer(
    serving: &Arc<Serving>,
    breaks: &AtomicBool,
    request: Request<Incoming>,
) -> Response<PatternBody> {
    let ledger = &serving.ledger;
    let connection = serving.connection;
    let (head, body) = request.into_parts();
    let id = head.uri.path()[1..].parse().expect("a number");
    let plan = ledger.arrived(connection, id);
    let reading = read(Arc::clone(serving), id, plan.request.len, body);
    let mut broke_off = false;
    let mut still_reading = None;
    if plan.is_early && plan.response.len > 0 && plan.method == Method::Post {
        // hyper does not go on to read a request whose response is complete.
        still_reading = Some(tokio::spawn(reading));
    } else {
        broke_off = !reading.await;
    }
    if !plan.think.is_zero() {
        sleep(plan.think).await;
    }
    let mut payload = plan.response;
    match plan.fault {
        Some(Fault::Stops) => {
            ledger.ignores(id);
            if let Some(reading) = still_reading.take() {
                broke_off = !reading.await.unwrap_or(true);
            }
            if broke_off {
                // hyper reads no further, and would not notice that the client is gone.
                serving.kill(Closing::Client, false);
            }
            pending().await
        }
        Some(Fault::Closes { reset }) => {
            serving.kill(Closing::Fault, reset);
            pending().await
        }
        Some(Fault::BreaksOff { reset }) if payload.len > 0 && plan.method != Method::Head => {
            payload.breaks = true;
            payload.piece = payload.piece.min((payload.len / 2).max(1) as usize);
            breaks.store(true, Ordering::Relaxed);
            if reset {
                serving.ending.reset();
            }
        }
        _ => {}
    }
    let served = ledger.served(connection);
    let is_asked = head.headers.contains_key(CONNECTION);
    let hint = serving.hint(served, is_asked);
    ledger.responding(connection, id, hint);
    serving.retire(served);
    let mut response = Response::builder().header("x-id", id);
    if let Some(hint) = hint.value() {
        response = response.header("keep-alive", hint);
    }
    let of = Of::Response { id, connection };
    let mut body = PatternBody::new(payload, of, ledger.clone());
    if let Some(reading) = still_reading {
        body = body.end_after(reading);
    }
    response.body(body).expect("a response")
}

/// Reads a request's body; false if it ends too early.
async fn read(serving: Arc<Serving>, id: u64, len: u64, mut body: Incoming) -> bool {
    let (ledger, connection) = (&serving.ledger, serving.connection);
    let mut offset = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            ledger.request_ended(connection, id);
            return false;
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if !is_at(id, Side::Request, offset, &bytes) {
            break;
        }
        offset += bytes.len() as u64;
    }
    if offset == len {
        ledger.arrived_whole(id);
    } else {
        ledger.request_altered(connection, id, offset);
    }
    offset == len
}
