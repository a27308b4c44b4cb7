//! What is to happen in one exchange.

use std::time::Duration;

use super::draw::Draw;
use super::world::World;

/// What is to happen in one exchange, by the will of its caller and of its server.
#[derive(Clone, Debug)]
pub struct Plan {
    pub method: Method,
    pub request: Payload,
    pub response: Payload,
    /// The response is complete before the server has read the request's body.
    pub is_early: bool,
    /// How many interim responses come first.
    pub interim: u64,
    /// How long the server takes to answer.
    pub think: Duration,
    pub fault: Option<Fault>,
    pub reading: Reading,
    /// The caller does not wait any longer than that.
    pub cancel_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    Get,
    Head,
    Post,
}

/// A body.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    pub len: u64,
    pub framing: Framing,
    /// The size of the pieces in which it is written.
    pub piece: usize,
    /// Between two pieces.
    pub pause: Duration,
    /// It breaks off in the middle.
    pub breaks: bool,
}

impl Payload {
    pub const NONE: Self = Self {
        len: 0,
        framing: Framing::Sized,
        piece: 1,
        pause: Duration::ZERO,
        breaks: false,
    };
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    Sized,
    Chunked,
    /// Ends with the connection.
    Delimited,
}

/// What a server does in place of answering as it should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Says nothing any more.
    Stops,
    /// Closes instead of answering.
    Closes { reset: bool },
    /// Closes in the middle of the response.
    BreaksOff { reset: bool },
}

/// How a caller reads a response's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    AtOnce,
    /// Begins so much later.
    Late(Duration),
    /// Waits before each piece.
    Slowly(Duration),
    /// Lets go of it in the middle.
    Half,
    /// Lets go of it after that time, unread.
    Never(Duration),
}

impl Plan {
    pub fn draw(world: &World, draw: &mut Draw) -> Self {
        let method = draw.weighted(&[
            (0.5, Method::Get),
            (0.05, Method::Head),
            (1.0, Method::Post),
        ]);
        let server = &world.server;
        let request = match method {
            Method::Post => payload(world, draw, world.network.up, !server.is_hyper),
            Method::Get | Method::Head => Payload::NONE,
        };
        let mut response = payload(world, draw, world.network.down, false);
        if method == Method::Head {
            response.framing = Framing::Sized;
        }
        if !server.is_hyper && method != Method::Head && draw.chance(0.01) {
            response.framing = Framing::Delimited;
        }
        response.breaks = false;
        Self {
            method,
            request,
            response,
            is_early: draw.chance(0.2),
            interim: if draw.chance(0.05) {
                draw.number(1, 3)
            } else {
                0
            },
            think: think(draw),
            fault: fault(world, draw),
            reading: reading(draw),
            cancel_after: draw
                .chance(0.003)
                .then(|| draw.time(Duration::ZERO, 6 * world.network.latency)),
        }
    }
}

fn payload(world: &World, draw: &mut Draw, rate: Option<u64>, sized: bool) -> Payload {
    let most = draw.weighted(&[
        (0.5, 200),
        (0.35, 4_000),
        (0.12, 64_000),
        (0.0297, 1_000_000),
        (0.0003, 20_000_000),
    ]);
    // Not more than takes the link this long.
    const SECONDS: u64 = 20;
    let most = rate.map_or(most, |rate| most.min(SECONDS * rate));
    let most = most.min(SECONDS * world.network.window_rate());
    let len = draw.number(most / 20, most);
    let piece = draw.magnitude(1 + len / 200, 64_000 + len / 200) as usize;
    let pieces = len.div_ceil(piece as u64).max(1);
    let trickles = draw.chance(0.1);
    let pause = Duration::from_millis(draw.magnitude(1, 20_000 / pieces + 1));
    let framing = draw.one_of(&[Framing::Sized, Framing::Chunked]);
    Payload {
        len,
        framing: if sized { Framing::Sized } else { framing },
        piece,
        pause: if trickles { pause } else { Duration::ZERO },
        breaks: !world.is_quiet && draw.chance(0.002),
    }
}

fn think(draw: &mut Draw) -> Duration {
    if draw.chance(0.7) {
        return Duration::ZERO;
    }
    Duration::from_millis(draw.magnitude(1, 10_000))
}

fn fault(world: &World, draw: &mut Draw) -> Option<Fault> {
    let reset = draw.chance(0.3);
    if draw.chance(world.server.hang_ups) {
        return Some(Fault::Closes { reset });
    }
    let fault = draw.one_of(&[
        Fault::Stops,
        Fault::Closes { reset },
        Fault::BreaksOff { reset },
    ]);
    draw.chance(world.server.faults).then_some(fault)
}

fn reading(draw: &mut Draw) -> Reading {
    let pause = Duration::from_millis(draw.magnitude(1, 8_000));
    draw.weighted(&[
        (0.85, Reading::AtOnce),
        (0.08, Reading::Late(pause)),
        (0.05, Reading::Slowly(pause / 20)),
        (0.01, Reading::Half),
        (0.01, Reading::Never(pause)),
    ])
}
