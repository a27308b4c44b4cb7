//! A timeline as an SVG: what was done on each connection, and how it ended.
//!
//! A row for each connection, a section for each URL. Each section has a time axis of its own.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Address, Connection, End, Purpose, Report, Target};
use super::text::{ending, excerpt, measured, printable};

/// How many connections are drawn.
const MOST_ROWS: usize = 64;

const WIDTH: u32 = 960;
/// Where the time axis begins and ends.
const LEFT: i32 = 160;
const RIGHT: i32 = 800;
/// The margin around everything.
const MARGIN: i32 = 20;

/// How many characters a line of the title has, and how many lines it has at most.
const TITLE: usize = 110;
const TITLE_LINES: usize = 4;

/// How many parts the time axis has at most.
const TICKS: f64 = 10.0;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(51, 51, 51);
const FAINT: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(222, 222, 222);
// Those who see red and green alike can tell these apart (after Okabe and Ito).
const LINE: RGBColor = RGBColor(0, 114, 178);
const EXCHANGE: RGBColor = RGBColor(86, 180, 233);
const BY_SERVER: RGBColor = RGBColor(204, 0, 0);
const BY_ERROR: RGBColor = RGBColor(230, 159, 0);
const BY_US: RGBColor = RGBColor(140, 140, 140);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Draws the timeline.
pub(super) fn draw(report: &Report, out: &mut impl Write) -> Result<()> {
    out.write_all(svg(report)?.as_bytes())?;
    Ok(out.flush()?)
}

fn svg(report: &Report) -> Result<String> {
    let parts = parts(report);
    let height = parts
        .iter()
        .map(Part::height)
        .fold(MARGIN.saturating_mul(2), i32::saturating_add);
    let mut svg = String::new();
    {
        let size = (WIDTH, height.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Without it, the texts could not be read on a dark page.
        area.fill(&WHITE)?;
        let mut top = MARGIN;
        for part in &parts {
            part.draw(&area, top)?;
            top = top.saturating_add(part.height());
        }
        area.present()?;
    }
    Ok(svg)
}

/// What stands below each other.
enum Part<'a> {
    /// A line of a title.
    Title(String),
    Address(String),
    Row {
        label: String,
        connection: &'a Connection,
        axis: Axis,
    },
    Axis(Axis),
    /// How many connections are not drawn.
    More(usize),
    Legend,
}

/// All that is drawn, from top to bottom.
fn parts(report: &Report) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut left = MOST_ROWS;
    let mut more = 0_usize;
    for target in &report.targets {
        parts.extend(title(&target.verdict).map(Part::Title));
        let axis = Axis::new(target);
        let before = left;
        for address in &target.addresses {
            let connections = address.connections.len();
            let drawn = connections.min(left);
            if drawn > 0 {
                parts.push(Part::Address(excerpt(&address.address)));
            }
            parts.extend(rows(address, axis).take(drawn));
            left = left.saturating_sub(drawn);
            more = more.saturating_add(connections.saturating_sub(drawn));
        }
        if left < before {
            parts.push(Part::Axis(axis));
        }
    }
    if more > 0 {
        parts.push(Part::More(more));
    }
    parts.push(Part::Legend);
    parts
}

fn rows(address: &Address, axis: Axis) -> impl Iterator<Item = Part<'_>> {
    (1_usize..)
        .zip(&address.connections)
        .map(move |(number, connection)| Part::Row {
            label: format!("#{number} {}", purpose(connection.purpose)),
            connection,
            axis,
        })
}

/// The verdict in lines that fit.
fn title(verdict: &str) -> impl Iterator<Item = String> + use<> {
    let verdict = printable(verdict);
    let mut lines: Vec<String> = Vec::new();
    for word in verdict.split(' ') {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line)
                if line
                    .chars()
                    .count()
                    .saturating_add(length)
                    .saturating_add(1)
                    <= TITLE =>
            {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.chars().take(TITLE).collect()),
        }
    }
    lines.into_iter().take(TITLE_LINES)
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Alpn => "protocol",
        Purpose::Watch => "watched",
        Purpose::WatchAsked => "watched, asked",
        Purpose::Active => "active",
        Purpose::Requests => "requests",
        Purpose::SlowReader => "read late",
    }
}

impl Part<'_> {
    fn height(&self) -> i32 {
        match self {
            Self::Title(_) => 22,
            Self::Address(_) => 26,
            Self::Row { .. } => ROW,
            Self::Axis(_) => 44,
            Self::More(_) => 24,
            Self::Legend => 30,
        }
    }

    fn draw(&self, area: &Area<'_>, top: i32) -> Result<()> {
        let middle = top.saturating_add(self.height() / 2);
        match self {
            Self::Title(line) => {
                let style = (FONT, 17).into_font().style(FontStyle::Bold).color(&TEXT);
                write(area, line, (MARGIN, middle), &style)
            }
            Self::Address(address) => write(area, address, (MARGIN, middle), &text(14, &FAINT)),
            Self::Row {
                label,
                connection,
                axis,
            } => {
                axis.draw_grid(area, top)?;
                write(area, label, (MARGIN, middle), &text(13, &TEXT))?;
                draw_connection(area, connection, *axis, middle)
            }
            Self::Axis(axis) => axis.draw(area, top),
            Self::More(more) => {
                let line = format!("{more} more connections are not drawn.");
                write(area, &line, (MARGIN, middle), &text(13, &FAINT))
            }
            Self::Legend => write(area, LEGEND, (MARGIN, middle), &text(12, &FAINT)),
        }
    }
}

/// The height of a connection's row.
const ROW: i32 = 22;

const LEGEND: &str = "Thin: idle. Thick: from a request (tick above) to the end of its response (tick below). \
     Red: closed by the server, a cross if by RST. Orange: failed. Grey: closed by this side.";

/// The time of a section.
#[derive(Clone, Copy)]
struct Axis {
    /// In seconds; above zero.
    end: f64,
    /// From one tick to the next.
    step: f64,
}

impl Axis {
    fn new(target: &Target) -> Self {
        let connections = target
            .addresses
            .iter()
            .flat_map(|address| &address.connections);
        let end = connections
            .map(|connection| connection.ended.0)
            .max()
            .unwrap_or_default();
        let end = end.max(Duration::from_millis(1)).as_secs_f64();
        // The least of 1, 2, 5, 10, … that is long enough.
        let least = end / TICKS;
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|&step| step >= least)
            .unwrap_or(10.0 * power);
        Self { end, step }
    }

    /// Where a time is.
    fn x(self, time: Duration) -> i32 {
        self.position(time.as_secs_f64())
    }

    fn position(self, seconds: f64) -> i32 {
        let width = f64::from(RIGHT.saturating_sub(LEFT));
        // A conversion from a float is cut off at the type's bounds.
        let x = (seconds / self.end * width).round() as i32;
        LEFT.saturating_add(x).clamp(LEFT, RIGHT)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        (0..=TICKS as u32)
            .map(move |n| f64::from(n) * self.step)
            .filter(move |&tick| tick <= self.end)
    }

    /// The part of the grid that is behind a row.
    fn draw_grid(self, area: &Area<'_>, top: i32) -> Result<()> {
        for tick in self.ticks() {
            let x = self.position(tick);
            let line = PathElement::new([(x, top), (x, top.saturating_add(ROW))], GRID);
            area.draw(&line)?;
        }
        Ok(())
    }

    fn draw(self, area: &Area<'_>, top: i32) -> Result<()> {
        area.draw(&PathElement::new([(LEFT, top), (RIGHT, top)], FAINT))?;
        let middle = top.saturating_add(14);
        for tick in self.ticks() {
            let style = text(12, &FAINT).pos(Pos::new(HPos::Center, VPos::Center));
            // No more digits than the steps have.
            let digits = (-self.step.log10().floor()).max(0.0) as usize;
            let label = format!("{tick:.digits$} s");
            write(area, &label, (self.position(tick), middle), &style)?;
        }
        Ok(())
    }
}

fn draw_connection(
    area: &Area<'_>,
    connection: &Connection,
    axis: Axis,
    middle: i32,
) -> Result<()> {
    let opened = axis.x(connection.opened.0);
    let ended = axis.x(connection.ended.0);
    bar(area, (opened, ended), middle, 1, LINE)?;

    // Exchanges that would be drawn at the same place are drawn once.
    let mut last = None;
    for exchange in &connection.exchanges {
        let sent = axis.x(exchange.sent.0);
        let answered = exchange.answered.map(|answered| axis.x(answered.0));
        if last.replace((sent, answered)) == Some((sent, answered)) {
            continue;
        }
        bar(area, (sent, answered.unwrap_or(ended)), middle, 4, EXCHANGE)?;
        tick(area, sent, middle, -8)?;
        if let Some(answered) = answered {
            tick(area, answered, middle, 8)?;
        }
    }
    draw_end(area, connection, (ended, middle))
}

/// A bar, at least so wide that it is seen.
fn bar(
    area: &Area<'_>,
    (from, to): (i32, i32),
    middle: i32,
    half: i32,
    color: RGBColor,
) -> Result<()> {
    let to = to.max(from.saturating_add(2));
    let corners = [
        (from, middle.saturating_sub(half)),
        (to, middle.saturating_add(half)),
    ];
    area.draw(&Rectangle::new(corners, color.filled()))?;
    Ok(())
}

fn tick(area: &Area<'_>, x: i32, middle: i32, length: i32) -> Result<()> {
    let ends = [(x, middle), (x, middle.saturating_add(length))];
    area.draw(&PathElement::new(ends, LINE))?;
    Ok(())
}

/// How a connection ended: by whom, how, and for how long it had been idle.
fn draw_end(area: &Area<'_>, connection: &Connection, (x, y): (i32, i32)) -> Result<()> {
    let color = match connection.end {
        End::Fin | End::Reset | End::Response { .. } | End::Bytes => BY_SERVER,
        End::Error { .. } => BY_ERROR,
        End::Open => BY_US,
    };
    match connection.end {
        End::Reset | End::Error { .. } => {
            area.draw(&Cross::new((x, y), 4, color.stroke_width(2)))?
        }
        _ => area.draw(&Circle::new((x, y), 4, color.filled()))?,
    }
    let how = match connection.end {
        End::Open => "closed here".to_owned(),
        // A table has room for the text.
        End::Error { .. } => "error".to_owned(),
        ref end => ending(end),
    };
    let label = match idle(connection) {
        Some(idle) => format!("{how}, idle for {}", measured(idle)),
        None => how,
    };
    write(area, &label, (x.saturating_add(10), y), &text(12, &FAINT))
}

/// For how long a connection had been idle when it ended; `None` if it was not.
fn idle(connection: &Connection) -> Option<Duration> {
    let since = match connection.exchanges.last() {
        Some(last) => last.answered?,
        None => connection.opened,
    };
    Some(connection.ended.0.saturating_sub(since.0))
}

fn text(size: u32, color: &RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(color)
}

/// Writes a text that begins there, unless the style says otherwise, and is as much above as below.
fn write(area: &Area<'_>, line: &str, at: (i32, i32), style: &TextStyle<'static>) -> Result<()> {
    let position = Pos::new(style.pos.h_pos, VPos::Center);
    area.draw(&Text::new(line, at, style.clone().pos(position)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::{Exchange, Seconds, samples};
    use super::*;

    fn seconds(seconds: f64) -> Seconds {
        Seconds(Duration::from_secs_f64(seconds))
    }

    fn connection(purpose: Purpose, ended: f64, end: End) -> Connection {
        Connection {
            purpose,
            opened: seconds(0.01),
            exchanges: vec![Exchange {
                sent: seconds(0.02),
                answered: Some(seconds(0.04)),
                status: Some(200),
            }],
            ended: seconds(ended),
            end,
        }
    }

    fn target(verdict: &str, connections: Vec<Connection>) -> Target {
        let address = Address {
            address: "192.0.2.1:443".to_owned(),
            connections,
            ..Address::default()
        };
        samples::target(verdict, vec![address])
    }

    fn drawn(targets: Vec<Target>) -> String {
        let report = samples::report(targets);
        let mut out = Vec::new();
        draw(&report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The texts in a picture.
    fn texts(svg: &str) -> Vec<&str> {
        svg.split("<text ")
            .skip(1)
            .map(|text| text.split(['\n', '<']).nth(1).unwrap())
            .collect()
    }

    /// How many of these there are that have this color.
    fn count(svg: &str, element: &str, RGBColor(r, g, b): RGBColor) -> usize {
        let color = format!("\"#{r:02X}{g:02X}{b:02X}\"");
        svg.lines()
            .filter(|line| line.starts_with(&format!("<{element} ")) && line.contains(&color))
            .count()
    }

    #[test]
    fn each_connection_has_a_row() {
        let mut late = connection(Purpose::SlowReader, 3.0, End::Response { status: 408 });
        late.exchanges[0].answered = None;
        let svg = drawn(vec![target(
            "It closes after <5.0 s>.",
            vec![
                connection(Purpose::Watch, 5.01, End::Fin),
                connection(Purpose::WatchAsked, 5.02, End::Reset),
                connection(Purpose::Active, 4.0, End::Open),
                late,
            ],
        )]);

        let texts = texts(&svg);
        for expected in [
            "It closes after &lt;5.0 s&gt;.",
            "192.0.2.1:443",
            "#1 watched",
            "FIN, idle for 5.0 s",
            "#2 watched, asked",
            "RST, idle for 5.0 s",
            "#3 active",
            "closed here, idle for 4.0 s",
            "#4 read late",
            "408",
            "0 s",
            "5 s",
        ] {
            assert!(texts.contains(&expected), "{expected}: {texts:?}");
        }
        assert_eq!(texts.iter().filter(|text| text.starts_with('#')).count(), 4);
        assert_eq!(count(&svg, "rect", WHITE), 1, "the background");
        assert_eq!(count(&svg, "rect", LINE), 4, "connections");
        assert_eq!(count(&svg, "rect", EXCHANGE), 4, "exchanges");
        assert_eq!(count(&svg, "circle", BY_SERVER), 2, "closed by the server");
        assert_eq!(count(&svg, "circle", BY_US), 1, "closed here");
    }

    #[test]
    fn there_are_not_more_rows_than_can_be_read() {
        let many = |n| vec![connection(Purpose::Watch, 5.0, End::Fin); n];
        let svg = drawn(vec![
            target("One.", many(MOST_ROWS - 4)),
            target("Two.", many(7)),
            target("Three.", many(2)),
        ]);

        let texts = texts(&svg);
        let rows = texts.iter().filter(|text| text.starts_with('#')).count();
        assert_eq!(rows, MOST_ROWS);
        assert!(texts.contains(&"5 more connections are not drawn."));
        assert!(texts.contains(&"Three."), "{texts:?}");
    }

    #[test]
    fn many_exchanges_are_drawn_once_where_they_are_one() {
        let mut connection = connection(Purpose::Requests, 100.0, End::Fin);
        connection.exchanges = (0..100_000)
            .map(|n| Exchange {
                sent: seconds(f64::from(n) / 1_000.0),
                answered: Some(seconds(f64::from(n) / 1_000.0 + 0.0005)),
                status: Some(200),
            })
            .collect();

        let svg = drawn(vec![target("A verdict.", vec![connection])]);

        assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
    }

    #[test]
    fn what_a_server_sends_is_no_markup() {
        let text = "</text><script>\x1b".to_owned();
        let svg = drawn(vec![target(
            "A </text><script>\x1b verdict.",
            vec![connection(Purpose::Watch, 5.0, End::Error { text })],
        )]);

        assert!(!svg.contains("<script"), "{svg}");
        assert!(!svg.contains('\x1b'), "{svg}");
    }

    #[test]
    fn a_long_verdict_has_several_lines() {
        let lines: Vec<_> = title(&"word ".repeat(60)).collect();

        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() <= TITLE));
        assert_eq!(title(&"x".repeat(4_000)).count(), 1);
        assert_eq!(title(&"word ".repeat(6_000)).count(), TITLE_LINES);
    }

    #[test]
    fn the_axis_has_few_ticks_for_any_time() {
        for (ended, step) in [
            (0.0, 0.000_1),
            (0.04, 0.005),
            (1.0, 0.1),
            (5.0, 0.5),
            (5.02, 1.0),
            (130.0, 20.0),
            (900.0, 100.0),
        ] {
            let axis = Axis::new(&target(
                "",
                vec![connection(Purpose::Watch, ended, End::Fin)],
            ));
            assert!(
                (axis.step / step - 1.0).abs() < 1e-9,
                "{ended}: {}",
                axis.step
            );
            assert!(axis.ticks().count() <= 11);
        }
    }

    #[test]
    fn without_connections_there_is_a_title() {
        let svg = drawn(vec![target("It could not be measured.", vec![])]);

        let texts = texts(&svg);
        assert!(texts.contains(&"It could not be measured."), "{texts:?}");
        assert_eq!(texts.len(), 2, "the title, and the legend: {texts:?}");
    }
}
