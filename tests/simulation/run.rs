//! Runs one world from its beginning to its end.

use std::sync::Arc;
use std::time::Duration;

use http_keepalive::{ConnectionEvent, EventKind, KeepAlive};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::Layer;

use super::body::PatternBody;
use super::caller::{Caller, SimClient};
use super::counts::{Counts, Struck};
use super::draw::Draw;
use super::ledger::{Closing, Ledger};
use super::network::Network;
use super::origin::Origin;
use super::process::{Process, Stop};
use super::trouble::Trouble;
use super::world::World;

/// Which client is watched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watched {
    /// A client with both halves of this crate: this crate's own in every other world, and hyper-util's in the others.
    Guarded,
    /// The control: hyper-util's client as it comes.
    Plain,
    /// Another: both halves of this crate, with a policy that expects connections to stay open for
    /// twice as long as the world's does.
    Careless,
}

/// What became of a world.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    pub seed: u64,
    pub counts: Counts,
    /// What must not happen and did.
    pub violations: Vec<String>,
    /// Two runs with the same are the same run.
    pub digest: u64,
}

/// Runs the world of a seed.
pub fn run(seed: u64, watched: Watched, is_verbose: bool) -> Outcome {
    let world = Arc::new(World::draw(seed));
    if is_verbose {
        eprintln!("{world:#?}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        // Made in here, where the clock is the runtime's.
        let run = Run::new(world, watched, is_verbose);
        run.run().await
    })
}

struct Run {
    world: Arc<World>,
    watched: Watched,
    process: Process,
    ledger: Ledger,
    origin: Origin,
}

/// No world lasts longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Run {
    fn new(world: Arc<World>, watched: Watched, is_verbose: bool) -> Self {
        let process = Process::start();
        let guarded = watched != Watched::Plain;
        let ledger = Ledger::new(Arc::clone(&world), process.clone(), guarded, is_verbose);
        let origin = Origin::new(Arc::clone(&world), ledger.clone());
        Self {
            world,
            watched,
            process,
            ledger,
            origin,
        }
    }

    async fn run(self) -> Outcome {
        let started = Instant::now();
        let troubles = tokio::spawn(trouble(
            Arc::clone(&self.world),
            self.process.clone(),
            self.ledger.clone(),
            self.origin.clone(),
        ));
        let network = Network::new(
            Arc::clone(&self.world),
            self.process.clone(),
            self.origin.clone(),
            self.ledger.clone(),
        );
        let stalls = tokio::spawn(stall(
            Arc::clone(&self.world),
            self.process.clone(),
            self.ledger.clone(),
        ));
        let mut draw = Draw::new(!self.world.seed);
        match self.watched {
            Watched::Plain => {
                let clients = (0..self.world.load.clients).map(|_| self.client(network.clone()));
                self.visit(clients.collect(), &mut draw).await;
            }
            Watched::Guarded | Watched::Careless => {
                let keep_alive = self.keep_alive();
                let clients = 0..self.world.load.clients;
                if self.world.is_of_own_client() {
                    let own = |_| keep_alive.client_over(network.clone()).build();
                    self.visit(clients.map(own).collect(), &mut draw).await;
                } else {
                    let legacy = |_| {
                        let client = self.client(keep_alive.connector(network.clone()));
                        keep_alive.layer().layer(client)
                    };
                    self.visit(clients.map(legacy).collect(), &mut draw).await;
                }
            }
        }
        // A world that is frozen as its last caller goes wakes up again.
        let has_ended = timeout(LONGEST, troubles).await.is_ok();
        if !has_ended || timeout(LONGEST, stalls).await.is_err() {
            self.ledger.violation("the troubles do not end");
        }
        self.check_end().await;
        let (mut counts, violations, digest) = self.ledger.finish();
        counts.seconds = started.elapsed().as_secs();
        Outcome {
            seed: self.world.seed,
            counts,
            violations,
            digest,
        }
    }

    fn keep_alive(&self) -> KeepAlive {
        let process = self.process.clone();
        let policy = &self.world.policy;
        let policy = match self.watched {
            Watched::Careless => policy.to_keep_alive().max_idle(2 * policy.max_idle),
            _ => policy.to_keep_alive(),
        };
        let builder = KeepAlive::builder().policy(policy);
        let builder = if self.world.wall_clock_stands {
            builder.wall_clock(|| std::time::SystemTime::UNIX_EPOCH)
        } else {
            builder.wall_clock(move || process.wall_clock())
        };
        let builder = builder
            .timer(self.process.clone())
            .executor(self.process.clone());
        if !self.world.is_of_own_client() {
            return builder.build().expect("a policy that makes sense");
        }
        // How else would the ledger know the connection of an error?
        let ledger = self.ledger.clone();
        let builder = builder.observer(move |event: &ConnectionEvent<'_>| {
            if matches!(event.kind, EventKind::Opened { .. }) {
                ledger.on_followed(event.connection);
            }
        });
        builder.build().expect("a policy that makes sense")
    }

    fn client<C>(&self, connector: C) -> Client<C, PatternBody>
    where
        C: Connect + Clone,
    {
        let mut builder = Client::builder(self.process.clone());
        builder.timer(self.process.clone());
        builder.pool_timer(self.process.clone());
        if self.watched != Watched::Plain {
            // So that nobody but this crate closes idle connections.
            builder.pool_idle_timeout(None);
        }
        builder.build(connector)
    }

    /// Has callers use the clients until they are done, and lets go of the clients.
    async fn visit<S: SimClient>(&self, clients: Vec<S>, draw: &mut Draw) {
        let started = Instant::now();
        let mut callers = Vec::new();
        for client in &clients {
            for _ in 0..self.world.load.callers {
                let caller = Caller {
                    client: client.clone(),
                    world: Arc::clone(&self.world),
                    ledger: self.ledger.clone(),
                    draw: Draw::new(draw.seed()),
                    started,
                };
                callers.push(self.process.spawn(caller.run()));
            }
        }
        for caller in callers {
            match timeout(LONGEST, caller).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self
                    .ledger
                    .violation(&format!("a caller panicked: {error}")),
                Err(_) => self.ledger.violation("a caller waits for ever"),
            }
        }
        self.ledger.on_callers_gone();
        self.check_idle().await;
        self.ledger.on_ending();
        drop(clients);
    }

    /// Idle connections close by themselves, while their client is still there.
    async fn check_idle(&self) {
        let Some(longest) = self.ledger.longest_idle() else {
            return;
        };
        if self.watched == Watched::Plain {
            return;
        }
        sleep(longest + Duration::from_secs(1200)).await;
        let overdue = self.ledger.overdue();
        if overdue > 0 {
            let what = format!("{overdue} connections are open {longest:?} later, and more");
            self.ledger.violation(&what);
        }
    }

    /// Nothing is left of a client that is gone.
    async fn check_end(&self) {
        if self.watched == Watched::Plain {
            // Something is: what hyper forgets.
            return;
        }
        sleep(Duration::from_secs(10)).await;
        for connection in self.ledger.lost_connections() {
            self.origin.kill(connection, Closing::World, false);
        }
        sleep(Duration::from_secs(600)).await;
        let (client, server) = self.ledger.open();
        let tasks = self.process.tasks();
        if (client, server, tasks) != (0, 0, 0) {
            self.ledger.violation(&format!(
                "at the end {client} connections are open, {server} of the server's, \
                 and {tasks} tasks are left"
            ));
        }
    }
}

/// What happens to the whole world, in its time.
async fn trouble(world: Arc<World>, process: Process, ledger: Ledger, origin: Origin) {
    let started = Instant::now();
    for &(at, trouble) in &world.troubles {
        sleep_until(started + at).await;
        match trouble {
            Trouble::Restart { reset, down } => {
                ledger.on_restart();
                origin.restart(reset, down).await;
            }
            Trouble::Partition(time) => ledger.on_partition(time),
            Trouble::Cut => ledger.on_cut(),
            Trouble::Freeze(time) if world.suspends => {
                ledger.on_stop(Stop::All, time, Struck::Suspend);
                process.suspend(time).await;
            }
            Trouble::Freeze(time) => {
                ledger.on_stop(Stop::All, time, Struck::Freeze);
                process.stop(Stop::All, time).await;
            }
            Trouble::SetClock(millis) => {
                ledger.on_clock_set(millis);
                process.set_wall_clock(millis);
            }
        }
    }
}

/// The client's threads stall, again and again, while there are callers.
async fn stall(world: Arc<World>, process: Process, ledger: Ledger) {
    let Some(stalls) = &world.stalls else { return };
    let mut draw = Draw::new(world.seed.rotate_left(32));
    loop {
        sleep(draw.time(Duration::ZERO, 2 * stalls.every)).await;
        let (stop, several) = stalls.draw(&mut draw);
        for (time, awake) in several {
            if !ledger.has_callers() {
                return;
            }
            let struck = match stop {
                Stop::All => Struck::Stall,
                Stop::Connections => Struck::StalledConnections,
                Stop::Reads => Struck::StalledReads,
            };
            ledger.on_stop(stop, time, struck);
            process.stop(stop, time).await;
            sleep(awake).await;
        }
    }
}
