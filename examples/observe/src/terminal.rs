//! The live view, and its keys.

use std::io::{IsTerminal, stdout};
use std::panic;
use std::pin::pin;
use std::process;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyModifiers};
use futures_util::StreamExt;
use http_keepalive::{KeepAlive, Stats};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::text::Line;
use tokio::time::{MissedTickBehavior, interval};

use crate::screen::Screen;
use crate::trial::{Running, Trial};
use crate::view::View;

/// How often the view is drawn.
const PERIOD: Duration = Duration::from_millis(100);

const KEYS: &str = "1-3 stop or start a server   p pause the load   q quit";

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Stops the server of that index, or starts it.
    Toggle(usize),
    Pause,
    Quit,
}

impl Action {
    pub fn of(key: KeyEvent) -> Option<Self> {
        match key.code {
            // In raw mode it is a key like others.
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Self::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Self::Quit),
            KeyCode::Char('p') => Some(Self::Pause),
            KeyCode::Char(digit @ '1'..='9') => {
                let number = digit.to_digit(10)?;
                Some(Self::Toggle(number as usize - 1))
            }
            _ => None,
        }
    }
}

/// Shows the view until `q`, Ctrl-C or a signal; gives the numbers of the connections.
pub async fn show(trial: &Trial) -> Result<Stats, String> {
    if !stdout().is_terminal() {
        return Err("the view needs a terminal; --once prints it as text".to_owned());
    }
    let running = trial.start(KeepAlive::builder())?;
    // Before the terminal is changed: half of that may fail.
    let restored = Restored;
    let shown = run(&running).await;
    drop(restored);
    shown.map_err(|error| format!("cannot use the terminal: {error}"))?;
    Ok(running.keep_alive.stats())
}

async fn run(running: &Running) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    end_with_a_panic();
    let mut events = EventStream::new();
    let mut frames = interval(PERIOD);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = pin!(stopped());
    loop {
        tokio::select! {
            _ = frames.tick() => {
                terminal.draw(|frame| draw(&running.view(), frame))?;
            }
            event = events.next() => match event.transpose()? {
                Some(Event::Key(key)) if key.is_press() => match Action::of(key) {
                    Some(Action::Quit) => return Ok(()),
                    Some(action) => apply(action, running),
                    None => {}
                },
                Some(_) => {}
                None => return Ok(()),
            },
            signal = &mut stopped => return signal,
        }
    }
}

fn draw(view: &View, frame: &mut Frame<'_>) {
    let [screen, keys] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Screen(view), screen);
    frame.render_widget(Line::from(KEYS), keys);
}

fn apply(action: Action, running: &Running) {
    match action {
        Action::Toggle(index) => {
            if let Some(server) = running.servers.all().get(index) {
                server.toggle();
            }
        }
        Action::Pause => running.load.toggle_pause(),
        Action::Quit => {}
    }
}

/// Waits until somebody outside of the terminal wants this process to end.
#[cfg(unix)]
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal,
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stopped() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Restores the terminal when it is dropped.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// A panic on whatever thread ends this process, once ratatui's hook has restored the terminal.
fn end_with_a_panic() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // Held until the end, so that no view is drawn over the message. The thread that draws may have it already.
        let _drawing = stdout().lock();
        hook(panic);
        process::exit(101);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        Action::of(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn a_digit_is_the_server_of_that_number() {
        for (key, index) in [('1', 0), ('3', 2), ('9', 8)] {
            let found = action(KeyCode::Char(key), KeyModifiers::NONE);
            assert_eq!(found, Some(Action::Toggle(index)));
        }
        assert_eq!(action(KeyCode::Char('0'), KeyModifiers::NONE), None);
    }

    #[test]
    fn q_and_control_c_quit_and_c_does_not() {
        let c = KeyCode::Char('c');
        assert_eq!(action(c, KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(action(c, KeyModifiers::NONE), None);
        let q = KeyCode::Char('q');
        assert_eq!(action(q, KeyModifiers::NONE), Some(Action::Quit));
    }
}
