//! What goes wrong in a world as a whole.

use std::time::Duration;

use super::draw::Draw;

/// What happens to the whole world.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The server ends all connections, and accepts none for a while.
    Restart { reset: bool, down: Duration },
    /// Nothing passes for a while.
    Partition(Duration),
    /// What passes on the connections of now is lost, for good.
    Cut,
    /// The client's process stops for a while.
    Freeze(Duration),
    /// The client's wall clock is set, in milliseconds.
    SetClock(i64),
}

impl Trouble {
    /// Whether it ends connections, delays their end, or makes what was learned look old.
    pub fn misleads(&self) -> bool {
        !matches!(self, Self::Freeze(_))
    }
}

/// What happens within so much time, in order.
pub fn draw(draw: &mut Draw, span: Duration, sets_clock: bool) -> Vec<(Duration, Trouble)> {
    let mut troubles = Vec::new();
    let mut strike = |draw: &mut Draw, probability, trouble: fn(&mut Draw) -> Trouble| {
        if draw.chance(probability) {
            for _ in 0..draw.number(1, 4) {
                troubles.push((draw.time(Duration::ZERO, span), trouble(draw)));
            }
        }
    };
    strike(draw, 0.3, |draw| Trouble::Restart {
        reset: draw.chance(0.5),
        down: Duration::from_millis(draw.number(0, 3_000)),
    });
    strike(draw, 0.3, |draw| {
        Trouble::Partition(Duration::from_millis(draw.magnitude(100, 60_000)))
    });
    strike(draw, 0.25, |_| Trouble::Cut);
    strike(draw, 0.4, |draw| {
        Trouble::Freeze(Duration::from_millis(draw.magnitude(500, 600_000)))
    });
    strike(draw, if sets_clock { 1.0 } else { 0.0 }, |draw| {
        let millis = draw.magnitude(1, 3_600_000) as i64;
        Trouble::SetClock(if draw.chance(0.5) { millis } else { -millis })
    });
    troubles.sort_by_key(|&(at, _)| at);
    troubles
}
