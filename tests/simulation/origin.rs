//! The server: accepts connections, has them served, and ends them when it is their time.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::draw::Draw;
use super::ledger::{Closing, Ledger};
use super::server_end::{Ending, ServerEnd};
use super::world::World;
use super::{hyper_server, scripted_server};
use crate::support::link::LinkEnd;

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct Origin(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    ledger: Ledger,
    is_down: AtomicBool,
    open: Mutex<BTreeMap<usize, oneshot::Sender<Kill>>>,
}

/// A connection is to be ended at once.
struct Kill {
    closing: Closing,
    reset: bool,
}

/// One connection, for those who serve it.
pub struct Serving {
    pub connection: usize,
    pub world: Arc<World>,
    pub ledger: Ledger,
    pub ending: Ending,
    origin: Origin,
}

impl Origin {
    pub fn new(world: Arc<World>, ledger: Ledger) -> Self {
        Self(Arc::new(Inner {
            world,
            ledger,
            is_down: AtomicBool::new(false),
            open: Mutex::default(),
        }))
    }

    /// Whether it accepts no connections.
    pub fn is_down(&self) -> bool {
        self.0.is_down.load(Ordering::Relaxed)
    }

    /// Ends all connections, and accepts none for so long.
    pub async fn restart(&self, reset: bool, down: Duration) {
        self.0.is_down.store(true, Ordering::Relaxed);
        let open = std::mem::take(&mut *self.open());
        for kill in open.into_values() {
            let closing = Closing::Restart;
            // One that ends in this moment need not be killed.
            drop(kill.send(Kill { closing, reset }));
        }
        sleep(down).await;
        self.0.is_down.store(false, Ordering::Relaxed);
    }

    /// Ends one connection.
    pub fn kill(&self, connection: usize, closing: Closing, reset: bool) {
        let kill = self.open().remove(&connection);
        if let Some(kill) = kill {
            drop(kill.send(Kill { closing, reset }));
        }
    }

    /// Serves a connection until it ends.
    pub fn accept(&self, connection: usize, end: LinkEnd, mut draw: Draw) {
        let (kill, killed) = oneshot::channel();
        self.open().insert(connection, kill);
        let Inner { world, ledger, .. } = &*self.0;
        self.make_room(connection);
        let lifetime = world.server.lifetime;
        let lifetime = lifetime.map(|mean| draw.time(Duration::ZERO, 2 * mean));
        let reset = draw.chance(0.3);
        let ending = Ending::default();
        let end = ServerEnd::new(end, connection, ledger.clone(), ending.clone());
        let serving = Serving {
            connection,
            world: Arc::clone(world),
            ledger: ledger.clone(),
            ending: ending.clone(),
            origin: self.clone(),
        };
        let origin = self.clone();
        tokio::spawn(async move {
            let served = pin!(serving.serve(end));
            let killed = pin!(async move {
                let at_random = Kill {
                    closing: Closing::AtRandom,
                    reset,
                };
                let killed = async {
                    match killed.await {
                        Ok(kill) => kill,
                        // Whoever could kill it has only let go of it.
                        Err(_) => pending().await,
                    }
                };
                match lifetime {
                    Some(lifetime) => timeout(lifetime, killed).await.unwrap_or(at_random),
                    None => killed.await,
                }
            });
            // Both are dropped with this, and with them the connection's end.
            let closing = match select(served, killed).await {
                Either::Left((closing, _)) => closing,
                Either::Right((kill, _)) => {
                    if kill.reset {
                        ending.reset();
                    }
                    kill.closing
                }
            };
            origin.0.ledger.closing(connection, closing);
            origin.open().remove(&connection);
        });
    }

    /// Closes the connection that has been idle for longest if there is one too many, to make room for a new one.
    fn make_room(&self, new: usize) {
        let open: Vec<_> = self.open().keys().copied().collect();
        let places = self.0.world.server.places;
        if places.is_none_or(|places| open.len() <= places) {
            return;
        }
        let others = open.into_iter().filter(|connection| *connection != new);
        if let Some(connection) = self.0.ledger.longest_idle_of(others) {
            self.kill(connection, Closing::Evicted, false);
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, oneshot::Sender<Kill>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serving {
    async fn serve(self, end: ServerEnd) -> Closing {
        if self.world.server.is_hyper {
            hyper_server::serve(Arc::new(self), end).await
        } else {
            scripted_server::serve(Arc::new(self), end).await
        }
    }

    /// Ends the connection from within.
    pub fn kill(&self, closing: Closing, reset: bool) {
        self.origin.kill(self.connection, closing, reset);
    }

    /// Whether the server takes no more requests.
    pub fn is_done(&self, served: u64) -> bool {
        let most = self.world.server.requests;
        most.is_some_and(|most| served >= most)
    }

    /// Closes the connection if the server takes no more requests, a little later.
    pub fn retire(self: &Arc<Self>, served: u64) {
        if !self.is_done(served) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let announced = this.world.server.announces;
            let linger = this.world.server.linger;
            while this.ledger.is_responding(this.connection) {
                sleep(linger.max(Duration::from_millis(1))).await;
            }
            if !linger.is_zero() {
                sleep(linger).await;
            }
            this.kill(Closing::Served { announced }, false);
        });
    }

    /// What the server says in its response to so many requests.
    pub fn hint(&self, served: u64, is_asked: bool) -> Hint {
        let server = &self.world.server;
        if server.hints_if_asked && !is_asked {
            return Hint::default();
        }
        let most = server.requests.filter(|_| server.announces);
        Hint {
            timeout: server.hint,
            max: most.map(|most| most.saturating_sub(served)),
        }
    }
}

/// What a server says of how long it keeps a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint {
    pub timeout: Option<Duration>,
    pub max: Option<u64>,
}

impl Hint {
    /// The `Keep-Alive` field's value; none if there is nothing to say.
    pub fn value(&self) -> Option<String> {
        let timeout = self
            .timeout
            .map(|timeout| format!("timeout={}", timeout.as_secs()));
        let max = self.max.map(|max| format!("max={max}"));
        let parameters: Vec<_> = timeout.into_iter().chain(max).collect();
        (!parameters.is_empty()).then(|| parameters.join(", "))
    }
}
