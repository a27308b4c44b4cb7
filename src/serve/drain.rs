//! Ends a server without a lost request.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use super::server::ServerKeepAlive;

/// How far the drain has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(super) enum Stage {
    Serving,
    /// All responses say `Connection: close`.
    Closing,
    /// No connection is accepted any more.
    NotAccepting,
    /// All connections end.
    Cut,
}

impl Stage {
    pub(super) fn of(stage: u8) -> Self {
        match stage {
            0 => Self::Serving,
            1 => Self::Closing,
            2 => Self::NotAccepting,
            _ => Self::Cut,
        }
    }
}

/// Ends a server without a lost request, in two phases; from [`ServerKeepAlive::drain`]. Cheap to clone.
///
/// A server that closes its idle connections when it is told to stop brings the race back: a request may be on its way on
/// each. So first everybody is told, and only then does anything close:
///
/// 1. [`begin`](Self::begin): every response says `Connection: close`. Connections are still accepted, since load balancers
///    go on sending for some seconds. Idle connections are left alone.
/// 2. [`stop_accepting`](Self::stop_accepting): the listener closes, once it has accepted what had connected. A request that
///    comes on an idle connection is still answered, with `Connection: close`. An idle connection closes when its client has
///    been told that it does: after the timeout, and the [grace](crate::ServerPolicy::grace).
/// 3. [`cut`](Self::cut): what is still open ends.
///
/// [`run`](Self::run) does all of it. With axum's graceful shutdown, which closes idle connections at once when its signal
/// comes, the signal is that nothing of HTTP/1 is left:
///
/// ```no_run
/// use std::time::Duration;
/// use axum::Router;
/// use http_keepalive::{ServerKeepAlive, ServerPolicy};
/// use tokio::net::TcpListener;
///
/// # async fn terminated() {}
/// # async fn serve(app: Router) -> Result<(), Box<dyn std::error::Error>> {
/// let keep_alive = ServerKeepAlive::new(ServerPolicy::short())?;
/// let listener = keep_alive.listener(TcpListener::bind("0.0.0.0:3000").await?);
/// let drain = keep_alive.drain();
/// axum::serve(listener, keep_alive.make_service(app))
///     .with_graceful_shutdown(async move {
///         terminated().await; // SIGTERM
///         drain.run(Duration::from_secs(10), Duration::from_secs(20)).await;
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// Under Kubernetes `terminationGracePeriodSeconds` must be above the sum of both times.
///
/// HTTP/2 connections are not waited for: axum's graceful shutdown, when it begins, tells their clients (`GOAWAY`), and
/// answers what was asked. Nor are upgraded ones.
#[derive(Clone, Debug)]
pub struct Drain {
    server: ServerKeepAlive,
}

impl Drain {
    pub(super) fn new(server: ServerKeepAlive) -> Self {
        Self { server }
    }

    /// From now on every response says `Connection: close`.
    pub fn begin(&self) {
        self.server.set_stage(Stage::Closing);
    }

    /// From now on no connection is accepted. Includes [`begin`](Self::begin).
    ///
    /// An [`IdleListener`](crate::IdleListener) first accepts what has connected, then closes the listener it wraps.
    pub fn stop_accepting(&self) {
        self.server.set_stage(Stage::NotAccepting);
    }

    /// Ends all connections: reads end, writes fail. Includes [`stop_accepting`](Self::stop_accepting).
    pub fn cut(&self) {
        self.server.set_stage(Stage::Cut);
    }

    /// Waits for [`stop_accepting`](Self::stop_accepting): for a loop that accepts connections by itself, and is to
    /// end then.
    pub async fn accepting_stopped(&self) {
        let server = &self.server;
        server
            .wait_until(|server| server.stage() >= Stage::NotAccepting)
            .await;
    }

    /// Waits until each [`IdleListener`](crate::IdleListener) is closed, nobody waits to be admitted, and no HTTP/1
    /// connection is open; or for [`cut`](Self::cut).
    pub async fn drained(&self) {
        self.server
            .wait_until(|server| match server.stage() {
                Stage::Serving | Stage::Closing => false,
                Stage::NotAccepting => server.is_drained(),
                Stage::Cut => true,
            })
            .await;
    }

    /// All of it: [`begin`](Self::begin), [`stop_accepting`](Self::stop_accepting) after a time, [`cut`](Self::cut) if
    /// connections are open for longer than another one after that. Returns as [`drained`](Self::drained) does.
    ///
    /// `accepting` is how long load balancers and clients may take to learn that they are to connect elsewhere. Nothing is
    /// lost if `then_at_most` is above the policy's [timeout](crate::ServerPolicy::timeout) and
    /// [grace](crate::ServerPolicy::grace), and what the longest response takes.
    ///
    /// Without tokio's time driver, nothing is waited for.
    pub async fn run(&self, accepting: Duration, then_at_most: Duration) {
        self.begin();
        self.server.sleep(accepting).await;
        self.stop_accepting();
        let mut drained = pin!(self.drained());
        let mut end = pin!(self.server.sleep(then_at_most));
        let mut is_over = false;
        poll_fn(|cx| {
            if !is_over && end.as_mut().poll(cx).is_ready() {
                is_over = true;
                self.cut();
            }
            drained.as_mut().poll(cx)
        })
        .await;
    }
}
