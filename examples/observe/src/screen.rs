//! How a view is drawn.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Widget;

use crate::board::{Row, RowState};
use crate::view::{ServerView, View};

/// A view, as a widget of ratatui's.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a>(pub &'a View);

impl Screen<'_> {
    /// How many lines it needs.
    pub fn height(&self, width: u16) -> u16 {
        let lines = 1 + self.connections(width).len() + self.numbers().len();
        u16::try_from(lines).unwrap_or(u16::MAX)
    }

    fn head(&self) -> Line<'static> {
        let view = self.0;
        let head = format!(
            "{} connections open, {} opened; {} requests, {} on a reused connection, {} failed",
            view.sum(|server| server.rows.len() as u64),
            view.sum(|server| server.opened),
            view.sum(|server| server.requests),
            view.sum(|server| server.reused),
            view.sum(|server| server.failed),
        );
        let paused = if view.is_paused { ", paused" } else { "" };
        Line::from(vec![head.bold(), paused.yellow()])
    }

    /// Each server, and the connections to it below.
    fn connections(&self, width: u16) -> Vec<Line<'static>> {
        let servers = (1..).zip(&self.0.servers);
        servers
            .flat_map(|(key, server)| {
                let rows = server.rows.iter().map(|row| connection(row, width));
                [Line::default(), heading(key, server)]
                    .into_iter()
                    .chain(rows)
            })
            .collect()
    }

    /// Why connections closed, and requests failed.
    fn numbers(&self) -> Vec<Line<'static>> {
        let mut lines = vec![Line::default(), Line::from("closed".bold())];
        for (cause, times) in &self.0.closes {
            lines.push(Line::from(format!("  {cause:<42}{times:>7}")));
        }
        for server in &self.0.servers {
            for (failure, times) in &server.failures {
                let host = server.site.host;
                let line = format!("  failed: {times} x {failure} ({host})");
                lines.push(Line::from(line.red()));
            }
        }
        lines
    }
}

impl Widget for Screen<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let numbers = self.numbers();
        let height = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
        let [head, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Max(height),
        ])
        .areas(area);
        self.head().render(head, buf);
        Text::from(fitting(self.connections(body.width), body.height)).render(body, buf);
        Text::from(numbers).render(foot, buf);
    }
}

/// The view without a terminal.
pub fn text(view: &View, width: u16) -> String {
    let screen = Screen(view);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, screen.height(width)));
    screen.render(buffer.area, &mut buffer);
    let lines = buffer.content.chunks(width.into());
    let lines = lines.map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>());
    let lines: Vec<_> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// As many lines as there is room for, the last of which says how many are not shown.
fn fitting(mut lines: Vec<Line<'static>>, height: u16) -> Vec<Line<'static>> {
    let room = usize::from(height);
    if lines.len() > room {
        let shown = room.saturating_sub(1);
        let hidden = lines.len() - shown;
        lines.truncate(shown);
        lines.push(Line::from(format!("  and {hidden} lines more")));
    }
    lines
}

fn heading(key: usize, server: &ServerView) -> Line<'static> {
    let site = server.site;
    let about = if server.is_running {
        format!(
            " closes after {} s and {}, {} ms away: ",
            site.idle_timeout.as_secs(),
            if site.is_hinting {
                "says so"
            } else {
                "does not say so"
            },
            site.latency.as_millis(),
        )
        .into()
    } else {
        " is stopped: ".red()
    };
    let numbers = format!(
        "{} opened, {} requests, {} failed",
        server.opened, server.requests, server.failed
    );
    let name = format!("{key} {}", site.host).bold();
    Line::from(vec![name, about, numbers.into()])
}

/// The columns before a bar, and those behind it.
const BESIDE_BAR: u16 = 18 + 38;

fn connection(row: &Row, width: u16) -> Line<'static> {
    let bar_width = usize::from(width.saturating_sub(BESIDE_BAR));
    let (name, bar, about) = match row.state {
        RowState::Unused => ("unused", Span::default(), String::new()),
        RowState::Idle { left, allowed } => {
            let about = format!("{} of {} left", seconds(left), seconds(allowed));
            ("idle", bar(left, allowed, bar_width), about)
        }
        RowState::Active { elapsed } => {
            let about = format!("for {}", seconds(elapsed));
            ("active", Span::default(), about)
        }
        RowState::Forwarded => ("forwarded", Span::default(), String::new()),
    };
    let begin = format!("  #{:<5}{name:<10}", row.id);
    let style = match row.state {
        RowState::Active { .. } => Style::new().cyan(),
        _ => Style::new(),
    };
    let gap = " ".repeat(bar_width.saturating_sub(bar.width()));
    let end = format!("  {about:<22}request {}", row.requests);
    Line::from(vec![
        Span::styled(begin, style),
        bar,
        gap.into(),
        end.into(),
    ])
}

/// What is left of what was allowed.
fn bar(left: Duration, allowed: Duration, width: usize) -> Span<'static> {
    let part = if allowed.is_zero() {
        0.0
    } else {
        (left.as_secs_f64() / allowed.as_secs_f64()).min(1.0)
    };
    let full = (part * width as f64).round() as usize;
    let bar = "█".repeat(full) + &"░".repeat(width - full);
    if part < 0.25 {
        bar.yellow()
    } else {
        bar.green()
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
