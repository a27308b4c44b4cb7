//! A random world: a network, a server, a client's policy, and what goes wrong.

use std::time::Duration;

use http_keepalive::{Learn, SafetyMargin};

use super::draw::Draw;
use super::policy::Policy;
use super::process::Stop;
use super::trouble::{self, Trouble};
use crate::support::link::Link;

/// A world, as it follows from its seed.
#[derive(Debug)]
pub struct World {
    pub seed: u64,
    /// Nothing goes wrong in it: servers close idle connections, in time, and nobody is told wrongly.
    pub is_quiet: bool,
    pub network: Network,
    pub server: Behaviour,
    pub policy: Policy,
    pub load: Load,
    pub troubles: Vec<(Duration, Trouble)>,
    /// The client's threads stall.
    pub stalls: Option<Stalls>,
    /// A machine that freezes is suspended: its monotonic clock stands still.
    pub suspends: bool,
    /// Somebody sets the wall clock.
    pub sets_clock: bool,
    /// The wall clock never moves.
    pub wall_clock_stands: bool,
}

#[derive(Debug)]
pub struct Network {
    pub latency: Duration,
    pub jitter: Duration,
    pub spikes: u32,
    pub down: Option<u64>,
    pub up: Option<u64>,
    pub buffer: usize,
    /// Something between accepts connections at once, which says nothing of a round trip.
    pub is_relayed: bool,
    /// The responses of all connections wait in one queue, where the rate is limited.
    pub is_shared: bool,
}

impl Network {
    /// Whether no two ways, there and back, can take longer than two round trips.
    pub fn is_calm(&self) -> bool {
        self.jitter <= self.latency && self.down.is_none() && self.up.is_none()
    }

    /// Whether connections wait for each other.
    pub fn is_congested(&self) -> bool {
        self.is_shared && self.down.is_some()
    }

    /// How exactly a timeout can be seen from the other side, timers included.
    pub fn uncertainty(&self) -> Duration {
        2 * self.jitter + Duration::from_millis(5)
    }

    /// How many bytes pass in a second at most where one buffer is sent after another.
    pub fn window_rate(&self) -> u64 {
        let way = (self.latency + self.jitter).as_millis().max(1) as u64;
        self.buffer as u64 * 1000 / way
    }

    pub fn link(&self) -> Link {
        let mut link = Link::new()
            .latency(self.latency)
            .jitter(self.jitter)
            .spikes(self.spikes)
            .buffer(self.buffer);
        if let Some(rate) = self.down {
            link = link.bandwidth(rate);
        }
        if let Some(rate) = self.up {
            link = link.bandwidth_up(rate);
        }
        link
    }
}

/// How a server behaves.
#[derive(Debug)]
pub struct Behaviour {
    /// hyper's own server; the scripted one otherwise.
    pub is_hyper: bool,
    pub idle_timeout: Option<Duration>,
    pub goodbye: Goodbye,
    pub hint: Option<Duration>,
    pub hints_if_asked: bool,
    /// Says how many requests it takes (`max=`).
    pub announces: bool,
    /// Closes after so many, `linger` after the last response.
    pub requests: Option<u64>,
    pub linger: Duration,
    /// Closes connections at random, after twice that at most.
    pub lifetime: Option<Duration>,
    /// Has so many places. A connection that takes none closes the one that has been idle for longest.
    pub places: Option<usize>,
    /// How many exchanges of one go wrong.
    pub faults: f64,
    /// In how many exchanges of one the server closes in place of an answer, besides.
    pub hang_ups: f64,
}

/// How a server ends an idle connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Goodbye {
    Fin,
    Reset,
    /// `400 Bad Request`, and FIN.
    Says400,
    /// `408 Request Timeout`, and FIN.
    Says408,
    /// `503 Service Unavailable`, and FIN.
    Says503,
    /// The last chunk of a body that nobody waits for, and FIN.
    StrayChunk,
}

impl Goodbye {
    /// Whether a client that reads it behind a request cannot tell it from the answer. A 408 says itself that it answers
    /// none.
    pub fn may_be_an_answer(self) -> bool {
        matches!(self, Self::Says400 | Self::Says503)
    }

    /// What the server writes before it closes.
    pub fn bytes(self) -> Option<&'static [u8]> {
        match self {
            Self::Fin | Self::Reset => None,
            Self::Says400 => Some(
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
            Self::Says408 => Some(
                b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ),
            Self::Says503 => Some(
                b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
            Self::StrayChunk => Some(b"0\r\n\r\n"),
        }
    }
}

/// Who asks how much.
#[derive(Debug)]
pub struct Load {
    pub clients: u64,
    /// Of each client.
    pub callers: u64,
    /// Of each caller.
    pub requests: u64,
    /// Callers ask together, every so often.
    pub rounds: Option<Duration>,
}

/// How the client's threads stall.
#[derive(Debug)]
pub struct Stalls {
    /// How long they run meanwhile, on average.
    pub every: Duration,
    /// What they last at most.
    pub most: Duration,
    /// Around this, often.
    pub around: Duration,
    /// Reads may see nothing, while requests are still written.
    pub stop_reads: bool,
}

impl Stalls {
    fn choose(draw: &mut Draw, server: &Behaviour) -> Self {
        let idle = server.idle_timeout.unwrap_or(Duration::from_secs(5));
        let every = idle * draw.number(1, 12) as u32 / 2;
        Self {
            every: every.max(Duration::from_millis(500)),
            most: (4 * idle).clamp(Duration::from_millis(500), Duration::from_secs(150)),
            around: idle.min(Duration::from_secs(150)),
            stop_reads: draw.chance(0.4),
        }
    }

    /// What stops next; for how long, and how long it then runs: once, or several times in a row.
    pub fn draw(&self, draw: &mut Draw) -> (Stop, Vec<(Duration, Duration)>) {
        let stop = draw.weighted(&[
            (0.4, Stop::All),
            (0.3, Stop::Connections),
            (
                0.3,
                if self.stop_reads {
                    Stop::Reads
                } else {
                    Stop::All
                },
            ),
        ]);
        let times = if draw.chance(0.75) {
            1
        } else {
            draw.number(2, 5)
        };
        let stalls = (0..times).map(|_| {
            let any = Duration::from_millis(draw.magnitude(100, self.most.as_millis() as u64));
            let near = self.around / 8;
            let near = draw.time(self.around - near, self.around + near);
            let stall = if draw.chance(0.3) { near } else { any };
            // Whole milliseconds, as timers have them.
            let stall = (stall.as_millis() as u64 / times).max(1);
            let awake = draw.number(1, 50);
            (Duration::from_millis(stall), Duration::from_millis(awake))
        });
        (stop, stalls.collect())
    }
}

impl World {
    /// Whether its clients are this crate's own, where they have this crate.
    pub fn is_of_own_client(&self) -> bool {
        self.seed % 2 == 1
    }

    pub fn draw(seed: u64) -> Self {
        let draw = &mut Draw::new(seed);
        let is_quiet = draw.chance(0.5);
        let server = behaviour(draw, is_quiet);
        let network = network(draw, is_quiet, &server);
        let policy = policy(draw, is_quiet, learn(seed), &server, &network);
        let load = load(draw, &server);
        let suspends = draw.chance(0.5);
        let sets_clock = !suspends && draw.chance(0.4);
        let mut troubles = Vec::new();
        if !is_quiet {
            let span = load.span(&server);
            troubles = trouble::draw(draw, span, sets_clock);
        }
        let stalls = draw.chance(0.25).then(|| Stalls::choose(draw, &server));
        let mut world = Self {
            seed,
            is_quiet,
            stalls,
            sets_clock,
            network,
            server,
            policy,
            load,
            troubles,
            suspends,
            wall_clock_stands: !suspends && !sets_clock && draw.chance(0.3),
        };
        match world.policy.learn {
            Learn::Off => {}
            _ if draw.chance(0.2) => world.mislead(draw),
            Learn::Full if draw.chance(0.4) => world.keep_silent(draw),
            _ => {}
        }
        world
    }

    /// Whether a client can learn the server's timeout from few failures: it never changes, nothing else closes
    /// connections, and no close is seen much later than it happens, unless the client itself is stopped.
    pub fn is_learnable(&self) -> bool {
        let server = &self.server;
        let has_limit = server.requests.is_some() && !(server.announces && self.policy.hints);
        let closes = has_limit
            || server.lifetime.is_some()
            || server.places.is_some()
            || server.faults + server.hang_ups > 0.0;
        let stops_reads = self.stalls.as_ref().is_some_and(|stalls| stalls.stop_reads);
        let network = &self.network;
        let round_trip = 2 * (network.latency + network.jitter);
        let is_far = server
            .idle_timeout
            .is_none_or(|timeout| 2 * round_trip > timeout);
        let is_slow = is_far || network.down.is_some() || network.up.is_some();
        // Callers who ask together just at the timeout: after the same idle time, as far as this side can tell, some are
        // answered and some are not, which looks like a server that hangs up on some requests.
        let is_blurred = self.load.rounds.is_some() && !network.jitter.is_zero();
        let mut troubles = self.troubles.iter();
        self.policy.learn != Learn::Off
            && !(closes || stops_reads || is_slow || is_blurred)
            && !troubles.any(|(_, trouble)| trouble.misleads())
    }

    /// Has the server close sooner than policy expects, and nothing else close connections.
    fn mislead(&mut self, draw: &mut Draw) {
        let server = &mut self.server;
        let idle = server.idle_timeout.unwrap_or(Duration::from_secs(5));
        server.idle_timeout = Some(idle);
        server.requests = None;
        server.announces = false;
        server.lifetime = None;
        server.places = None;
        (server.faults, server.hang_ups) = (0.0, 0.0);
        let longer = idle * draw.magnitude(12, 200) as u32 / 10;
        server.hint = match server.hint {
            Some(_) if self.policy.hints && longer.as_secs() > idle.as_secs() => {
                self.policy.ceiling = self.policy.ceiling.max(longer);
                Some(Duration::from_secs(longer.as_secs()))
            }
            _ => {
                self.policy.max_idle = longer;
                None
            }
        };
        if draw.chance(0.8) {
            // How late a close is seen is then known.
            (self.network.down, self.network.up) = (None, None);
        }
        self.sets_clock = false;
        self.troubles.retain(|(_, trouble)| !trouble.misleads());
    }

    /// Has the server wait for longer than policy expects, and not say so.
    fn keep_silent(&mut self, draw: &mut Draw) {
        let idle = self.server.idle_timeout.unwrap_or(Duration::from_secs(30));
        self.server.hint = None;
        self.policy.max_idle = idle / draw.number(2, 10) as u32;
    }
}

/// In half of the worlds, each connection keeps to the policy to the instant.
fn learn(seed: u64) -> Learn {
    match seed % 6 {
        1 | 3 => Learn::Shorten,
        5 => Learn::Full,
        _ => Learn::Off,
    }
}

fn network(draw: &mut Draw, is_quiet: bool, server: &Behaviour) -> Network {
    // Where a request takes longer than the server waits for it, there is little to be seen.
    let far = if draw.chance(0.1) { 400 } else { 100 };
    let idle = server.idle_timeout.unwrap_or(Duration::MAX).as_millis();
    let most = (idle / 8).clamp(far, 400) as u64;
    let latency = Duration::from_millis(draw.magnitude(1, most));
    let latency = if draw.chance(0.15) {
        Duration::ZERO
    } else {
        latency
    };
    let wild = Duration::from_millis(draw.magnitude(1, 2_000));
    let (jitter, spikes) = draw.weighted(&[
        (0.4, (Duration::ZERO, 0)),
        (0.3, (latency, 0)),
        (0.2, (wild, 20)),
        (0.1, (wild, 0)),
    ]);
    let down = draw.magnitude(20_000, 10_000_000);
    let up = draw.magnitude(20_000, 10_000_000);
    Network {
        latency,
        jitter: if is_quiet {
            jitter.min(latency)
        } else {
            jitter
        },
        spikes,
        down: draw.chance(0.5).then_some(down),
        up: draw.chance(0.4).then_some(up),
        buffer: draw.magnitude(16 << 10, 4 << 20) as usize,
        is_relayed: draw.chance(0.2),
        is_shared: draw.chance(0.3),
    }
}

fn behaviour(draw: &mut Draw, is_quiet: bool) -> Behaviour {
    let idle = Duration::from_millis(draw.magnitude(200, 120_000));
    let is_hyper = draw.chance(0.5);
    let right = Duration::from_secs(idle.as_secs());
    let lie = right + Duration::from_secs(draw.magnitude(1, 60));
    let short = Duration::from_secs(draw.number(0, right.as_secs()));
    let hint = draw.weighted(&[
        (0.4, None),
        (0.3, Some(right)),
        (0.2, Some(short)),
        (0.1, if is_quiet { Some(right) } else { Some(lie) }),
    ]);
    let announces = draw.chance(0.1);
    let limits = announces || !is_quiet && draw.chance(0.15);
    let spoken = draw.one_of(&[
        Goodbye::Says400,
        Goodbye::Says408,
        Goodbye::Says408,
        Goodbye::Says503,
        Goodbye::StrayChunk,
    ]);
    let goodbye = draw.weighted(&[
        (0.45, Goodbye::Fin),
        (0.15, Goodbye::Reset),
        (0.4, if is_hyper { Goodbye::Fin } else { spoken }),
    ]);
    let lifetime = Duration::from_millis(draw.magnitude(500, 300_000));
    let faults = draw.one_of(&[0.001, 0.005, 0.02]);
    let hang_ups = draw.number(20, 100) as f64 / 1000.0;
    let places = draw.number(3, 8) as usize;
    let linger = Duration::from_millis(draw.magnitude(1, 3_000));
    Behaviour {
        is_hyper,
        idle_timeout: draw.chance(0.92).then_some(idle),
        goodbye,
        hint: hint.filter(|_| !right.is_zero() || draw.chance(0.1)),
        hints_if_asked: draw.chance(0.5),
        announces,
        requests: limits.then(|| draw.magnitude(1, 200)),
        linger: if draw.chance(0.4) {
            Duration::ZERO
        } else {
            linger
        },
        lifetime: (!is_quiet && draw.chance(0.2)).then_some(lifetime),
        faults: if !is_quiet && draw.chance(0.3) {
            faults
        } else {
            0.0
        },
        places: (!is_quiet && draw.chance(0.15)).then_some(places),
        hang_ups: if !is_quiet && draw.chance(0.15) {
            hang_ups
        } else {
            0.0
        },
    }
}

fn policy(
    draw: &mut Draw,
    is_quiet: bool,
    learn: Learn,
    server: &Behaviour,
    network: &Network,
) -> Policy {
    let five = Duration::from_secs(5);
    let idle = server.idle_timeout.unwrap_or(five);
    let shorter = idle / draw.number(2, 10) as u32;
    let longer = idle + Duration::from_millis(draw.magnitude(1, 60_000));
    let max_idle = draw.weighted(&[
        (0.5, idle),
        (0.25, if is_quiet { five.min(idle) } else { five }),
        (0.15, shorter),
        (0.1, if is_quiet { idle } else { longer }),
    ]);
    let tenth = Duration::from_millis(100);
    let fixed = draw.time(Duration::ZERO, idle / 2);
    let margin = draw.weighted(&[
        (0.5, SafetyMargin::Default),
        (0.3, SafetyMargin::Fixed(tenth)),
        (0.2, SafetyMargin::Fixed(fixed)),
    ]);
    let ceiling = Duration::from_secs(draw.one_of(&[600, 600, 60, 5]));
    // What hyper's server keeps in its own buffer counts as written, too: 417 792 bytes, and a piece.
    let tight = network.buffer as u64 + (512 << 10);
    let window = draw.one_of(&[8 << 20, 8 << 20, tight]);
    let minutes = Duration::from_secs(600);
    let near = idle * draw.number(1, 12) as u32 / 4;
    let learn_ceiling = if draw.chance(0.7) { minutes } else { near };
    Policy {
        max_idle,
        margin,
        hints: draw.chance(0.9),
        ceiling,
        window,
        learn,
        learn_ceiling,
    }
}

fn load(draw: &mut Draw, server: &Behaviour) -> Load {
    let few = draw.number(1, 4);
    let many = draw.number(5, 24);
    let clients = draw.weighted(&[(0.8, 1), (0.2, 2)]);
    let callers = draw.weighted(&[(0.6, few), (0.4, many)]);
    let callers = server.places.map_or(callers, |places| {
        // So that there are evictions.
        let all = places as u64 / clients;
        draw.number(all, all + 8)
    });
    let total = draw.magnitude(200, 2_000);
    let idle = server.idle_timeout.unwrap_or(Duration::from_secs(5));
    let round = idle + draw.time(Duration::ZERO, Duration::from_millis(500));
    Load {
        clients,
        callers,
        requests: (total / clients / callers).clamp(10, 300),
        rounds: draw.chance(0.2).then_some(round),
    }
}

impl Load {
    /// About how long all of it takes.
    fn span(&self, server: &Behaviour) -> Duration {
        let idle = server.idle_timeout.unwrap_or(Duration::from_secs(5));
        self.requests as u32 * (idle * 2 / 3 + Duration::from_millis(500))
    }
}
