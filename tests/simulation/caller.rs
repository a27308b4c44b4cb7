//! Those who make requests.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_keepalive::{ClientError, ConnectionHandle};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt};

use super::body::{Of, PatternBody};
use super::client_end::Carrier;
use super::draw::Draw;
use super::ledger::{Failure, Ledger};
use super::pattern::{Side, is_at};
use super::plan::{self, Plan, Reading};
use super::world::World;

/// How long callers wait for the next thing to happen. Longer than anything honest takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// What clients are here, with and without this crate.
pub trait SimClient:
    Service<Request<PatternBody>, Response = Response<Incoming>, Error: ClientFailure, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> SimClient for S where
    S: Service<
            Request<PatternBody>,
            Response = Response<Incoming>,
            Error: ClientFailure,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// One who makes requests, one after another.
pub struct Caller<S> {
    pub client: S,
    pub world: Arc<World>,
    pub ledger: Ledger,
    pub draw: Draw,
    pub started: Instant,
}

impl<S: SimClient> Caller<S> {
    pub async fn run(mut self) {
        for _ in 0..self.world.load.requests {
            let pause = self.pause();
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let plan = Plan::draw(&self.world, &mut self.draw);
            let id = self.ledger.open_request(plan.clone());
            let client = self.client.clone();
            if let Err(failure) = exchange(client, &self.ledger, id, &plan).await {
                self.ledger.failed(id, &failure);
            }
        }
    }

    /// What lies between two requests: often about what makes the connection expire.
    fn pause(&mut self) -> Duration {
        let World {
            load,
            server,
            policy,
            network,
            ..
        } = &*self.world;
        let draw = &mut self.draw;
        if let Some(round) = load.rounds {
            let passed = self.started.elapsed().as_millis() as u64;
            let round = round.as_millis() as u64;
            return Duration::from_millis(round - passed % round);
        }
        let timeout = server.idle_timeout.unwrap_or(Duration::from_secs(5));
        let round_trip = 2 * network.latency + Duration::from_millis(2);
        let expected = policy.expected(server.hint);
        let deadline = expected.saturating_sub(policy.margin(expected));
        let around = |draw: &mut Draw, moment: Duration| {
            draw.time(moment.saturating_sub(3 * round_trip), moment + round_trip)
        };
        match draw.number(0, 99) {
            0..=34 => Duration::ZERO,
            35..=54 => draw.time(Duration::ZERO, timeout),
            55..=76 => around(draw, timeout),
            77..=91 => around(draw, deadline),
            _ => draw.time(Duration::ZERO, 3 * timeout),
        }
    }
}

/// Makes an exchange as planned.
async fn exchange<S: SimClient>(
    client: S,
    ledger: &Ledger,
    id: u64,
    plan: &Plan,
) -> Result<(), Failure> {
    let sending = client.oneshot(request(ledger, id, plan));
    let patience = plan.cancel_after.unwrap_or(PATIENCE);
    let response = match timeout(patience, sending).await {
        Ok(response) => response.map_err(|error| error.failure(ledger))?,
        Err(_) if plan.cancel_after.is_some() => {
            ledger.abandon(id);
            return Ok(());
        }
        Err(_) => return Err(Failure::TimedOut),
    };
    let (head, body) = response.into_parts();
    let carrier = head.extensions.get::<Carrier>();
    let &Carrier(connection) = carrier.expect("the extras of the transport");
    let answered = head.headers.get("x-id");
    if answered.is_none() && ledger.said_goodbye(connection) {
        return Err(Failure::Goodbye { connection });
    }
    ledger.heard(id, connection);
    let is_for_it = answered == Some(&HeaderValue::from(id));
    if head.status != StatusCode::OK || !is_for_it {
        ledger.violation(&format!("request {id} was answered with {head:?}"));
    }
    let handle = head.extensions.get::<ConnectionHandle>();
    if read(ledger, id, plan, connection, body).await? {
        let promised = handle.and_then(ConnectionHandle::deadline);
        ledger.answered(id, connection, promised);
    }
    Ok(())
}

fn request(ledger: &Ledger, id: u64, plan: &Plan) -> Request<PatternBody> {
    let method = match plan.method {
        plan::Method::Get => Method::GET,
        plan::Method::Head => Method::HEAD,
        plan::Method::Post => Method::POST,
    };
    let body = PatternBody::new(plan.request, Of::Request { id }, ledger.clone());
    let uri = format!("http://server.test/{id}");
    let request = Request::builder().method(method).uri(uri);
    request.body(body).expect("a request")
}

/// Reads the body as planned. Returns whether to its end.
async fn read(
    ledger: &Ledger,
    id: u64,
    plan: &Plan,
    connection: usize,
    mut body: Incoming,
) -> Result<bool, Failure> {
    match plan.reading {
        Reading::Late(late) => sleep(late).await,
        Reading::Never(late) => {
            sleep(late).await;
            ledger.abandon(id);
            return Ok(false);
        }
        _ => {}
    }
    let len = if plan.method == plan::Method::Head {
        0
    } else {
        plan.response.len
    };
    let mut offset = 0;
    let mut frames = 0;
    loop {
        let Ok(frame) = timeout(PATIENCE, body.frame()).await else {
            return Err(Failure::TimedOut);
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Failure::Body {
            connection,
            text: format!("{error:?}"),
        })?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if !is_at(id, Side::Response, offset, &bytes) {
            break;
        }
        offset += bytes.len() as u64;
        frames += 1;
        match plan.reading {
            Reading::Half if offset >= len / 2 => {
                ledger.abandon(id);
                return Ok(false);
            }
            Reading::Slowly(pause) if frames < 100 => sleep(pause).await,
            _ => {}
        }
    }
    let may_be_cut = plan.response.framing == plan::Framing::Delimited;
    if offset != len && may_be_cut && ledger.broke_off(connection) {
        // Where a response ends with its connection, nobody can tell an end from another.
        ledger.abandon(id);
        return Ok(false);
    }
    if offset != len {
        let what = format!("the response to request {id} differs at byte {offset} of {len}");
        ledger.violation(&what);
    }
    Ok(true)
}
/// The error of a client.
pub trait ClientFailure {
    /// How the ledger knows it.
    fn failure(&self, ledger: &Ledger) -> Failure;
}

impl ClientFailure for legacy::Error {
    fn failure(&self, _: &Ledger) -> Failure {
        if self.is_connect() {
            return Failure::Connect;
        }
        let mut extras = Extensions::new();
        if let Some(info) = self.connect_info() {
            info.get_extras(&mut extras);
        }
        Failure::Client {
            connection: extras.get().map(|&Carrier(connection)| connection),
            text: format!("{self:?}"),
        }
    }
}

impl ClientFailure for ClientError {
    fn failure(&self, ledger: &Ledger) -> Failure {
        if self.is_connect() {
            return Failure::Connect;
        }
        // There are no extras of the transport.
        let connection = self
            .connection()
            .map(|handle| ledger.followed_as(handle.id()));
        Failure::Client {
            connection,
            text: format!("{self:?}"),
        }
    }
}
