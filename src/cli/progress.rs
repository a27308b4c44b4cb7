//! What people see while they wait: a bar for each address, on standard error, if that is a terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::say;

/// How many characters of an address are shown at most: all of an IPv6 address and its port.
const MOST: usize = 48;

/// All bars.
#[derive(Debug)]
pub(super) struct Progress {
    bars: MultiProgress,
    /// Those that there are, and how wide their longest address is.
    drawn: Mutex<(Vec<ProgressBar>, usize)>,
    max_wait: Duration,
}

impl Progress {
    pub(super) fn new(max_wait: Duration) -> Self {
        Self {
            bars: MultiProgress::new(),
            drawn: Mutex::default(),
            max_wait,
        }
    }

    /// A bar for one address.
    pub(super) fn bar(&self, address: &str) -> Bar {
        // Only there does it know where to draw.
        let bar = self.bars.add(ProgressBar::new(milliseconds(self.max_wait)));
        bar.set_prefix(address.to_owned());
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let (bars, width) = &mut *drawn;
        *width = address.chars().count().min(MOST).max(*width);
        bars.push(bar.clone());
        if let Ok(style) = ProgressStyle::with_template(&template(*width)) {
            for bar in bars {
                bar.set_style(style.clone());
            }
        }
        Bar::new(bar)
    }

    /// A line above the bars; on standard error in any case.
    pub(super) fn say(&self, line: &str) {
        if self.bars.is_hidden() {
            say(line);
        } else {
            let _ = self.bars.println(line);
        }
    }

    pub(super) fn clear(&self) {
        let _ = self.bars.clear();
    }
}

/// The bar of one address.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    message: Mutex<Message>,
}

#[derive(Debug, Default)]
struct Message {
    doing: &'static str,
    known: Vec<String>,
}

impl Bar {
    fn new(bar: ProgressBar) -> Self {
        Self {
            bar,
            message: Mutex::default(),
        }
    }

    /// A connection has been idle for so long.
    pub(super) fn idle(&self, idle: Duration) {
        // Others have been for less time.
        let idle = milliseconds(idle).max(self.bar.position());
        self.bar.set_position(idle);
    }

    /// What is done now.
    pub(super) fn say(&self, doing: &'static str) {
        self.update(|message| {
            if message.doing != doing {
                self.bar.set_position(0);
            }
            message.doing = doing;
        });
    }

    /// What was found, in a few words.
    pub(super) fn found(&self, known: String) {
        self.update(|message| {
            if !message.known.contains(&known) {
                message.known.push(known);
            }
        });
    }

    pub(super) fn finish(&self) {
        self.say("done");
        self.bar.abandon();
    }

    fn update(&self, update: impl FnOnce(&mut Message)) {
        let mut message = self.message.lock().unwrap_or_else(PoisonError::into_inner);
        update(&mut message);
        let known = message.known.iter().map(String::as_str);
        let text: Vec<_> = [message.doing].into_iter().chain(known).collect();
        self.bar.set_message(text.join(", "));
    }

    #[cfg(test)]
    pub(super) fn hidden() -> Self {
        Self::new(ProgressBar::hidden())
    }
}

/// A bar whose address takes so many characters.
fn template(width: usize) -> String {
    format!("{{prefix:{width}!}} {{bar:24}} {{wide_msg}}")
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_told_apart() {
        let progress = Progress::new(Duration::from_secs(130));
        let width = |address: &str| {
            progress.bar(address);
            progress.drawn.lock().unwrap().1
        };
        let address = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535";

        assert_eq!(width("192.0.2.1:443"), 13);
        assert_eq!(width(address), address.len());
        assert_eq!(width("192.0.2.1:443"), address.len(), "all are as wide");
        assert_eq!(width(&"x".repeat(4_000)), MOST);
        assert!(ProgressStyle::with_template(&template(MOST)).is_ok());
    }
}
