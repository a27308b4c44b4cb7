//! The picture: which share of the requests failed, against the gap before them.
//!
//! A panel a link, a line a client. The lines stand above each other, each on a baseline of its own,
//! for most of them would hide another.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::clients::ClientName;
use crate::race::Sample;
use crate::report::{ClientReport, LinkReport, Report};
use crate::scenario::Scenario;

const WIDTH: u32 = 960;
const HEADER: u32 = 88;
/// The height of a panel's caption and axis, and of each of its lines.
const PANEL: u32 = 84;
const LINE: u32 = 36;

/// What part of a line's height its 100 % take.
const FULL: f64 = 0.8;

/// The gaps shown, in multiples of T.
const FROM: f64 = 0.1;
const TO: f64 = 1.2;

/// Into how many bins the gaps go, at most: at the default settings each is a round trip wide.
const BINS: usize = 88;
/// And how many there are in each, at least.
const SAMPLES: usize = 5;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(51, 51, 51);
const FAINT: RGBColor = RGBColor(140, 140, 140);
const GRID: RGBColor = RGBColor(222, 222, 222);

type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A file that the picture goes into.
#[derive(Debug)]
pub struct Picture<'a> {
    path: &'a Path,
}

impl<'a> Picture<'a> {
    /// Makes sure that the file can be written. A picture that is there stays until there is another.
    pub fn open(path: &'a Path) -> std::result::Result<Self, String> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        match opened {
            Ok(_) => Ok(Self { path }),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// Draws a report.
    pub fn draw(self, report: &Report) -> std::result::Result<(), String> {
        let svg = svg(report).map_err(|error| format!("cannot draw: {error}"))?;
        fs::write(self.path, svg).map_err(|error| cannot_write(self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

fn svg(report: &Report) -> Result<String> {
    let heights: Vec<_> = report
        .links
        .iter()
        .map(|link| PANEL + LINE * link.clients.len() as u32)
        .collect();
    let mut svg = String::new();
    {
        let size = (WIDTH, HEADER + heights.iter().sum::<u32>());
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (header, mut rest) = root.split_vertically(HEADER);
        draw_header(&header)?;
        for (link, height) in report.links.iter().zip(heights) {
            let (panel, below) = rest.split_vertically(height);
            draw_panel(&panel, link)?;
            rest = below;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_header(area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
    area.draw(&Text::new(
        "How many requests fail, by how long their connection was idle",
        (24, 16),
        bold(24, &TEXT),
    ))?;
    let explanation = [
        "Each line: the share of requests that failed, against the gap since the response before, in \
         multiples of the server's first idle timeout T.",
        "Dashed: from here on the client knows that the server has closed; sooner on a slow link, as \
         the server counts from when it wrote.",
    ];
    for (y, text) in (48..).step_by(19).zip(explanation) {
        let style = (FONT, 15).into_font().color(&FAINT);
        area.draw(&Text::new(text, (24, y), style))?;
    }
    Ok(())
}

fn draw_panel(area: &DrawingArea<SVGBackend<'_>, Shift>, link: &LinkReport) -> Result<()> {
    let LinkReport {
        scenario, clients, ..
    } = link;
    let lines = clients.len();
    let mut panel = ChartBuilder::on(area)
        .margin_left(24)
        .margin_right(60)
        .margin_top(40)
        .x_label_area_size(32)
        .build_cartesian_2d(FROM..TO, 0.0..lines as f64)?;
    area.draw(&Text::new(scenario.to_string(), (24, 14), bold(17, &TEXT)))?;
    panel
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(12)
        .x_label_formatter(&|gap| match *gap {
            gap if (gap - 1.0).abs() < 0.001 => "T".to_owned(),
            gap => format!("{gap:.1} T"),
        })
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style((FONT, 14).into_font().color(&TEXT))
        .draw()?;
    // Where the clients hear that the server has closed.
    for idle_timeout in scenario.idle_timeouts() {
        let heard = scenario.losing(idle_timeout).end;
        let heard = heard.as_secs_f64() / scenario.idle_timeout.as_secs_f64();
        panel.draw_series(DashedLineSeries::new(
            [(heard, 0.0), (heard, lines as f64)],
            4,
            4,
            FAINT.into(),
        ))?;
    }
    for (above, client) in clients.iter().rev().enumerate() {
        draw_line(&mut panel, scenario, client, above as f64)?;
    }

    let at_right = Pos::new(HPos::Left, VPos::Center);
    let style = (FONT, 12).into_font().color(&FAINT).pos(at_right);
    let marks = [(0.0, "0"), (FULL, "100 %")];
    panel.draw_series(marks.map(|(height, mark)| {
        let position = (TO + 0.006, lines as f64 - 1.0 + height);
        Text::new(mark, position, style.clone())
    }))?;
    Ok(())
}

/// Draws the line of a client on a baseline of that height.
fn draw_line(
    panel: &mut Panel<'_, '_>,
    scenario: &Scenario,
    client: &ClientReport,
    baseline: f64,
) -> Result<()> {
    let color = color(client.client);
    let points = shares(&client.samples).map(|(gap, share)| (gap, baseline + share * FULL));
    panel.draw_series(
        AreaSeries::new(points, baseline, color.mix(0.35)).border_style(color.stroke_width(2)),
    )?;

    let text = format!(
        "{}: {} of {} failed",
        client.client.label(scenario),
        client.tally.failed,
        client.tally.requests
    );
    let at_left = Pos::new(HPos::Left, VPos::Bottom);
    let style = bold(15, &color).pos(at_left);
    panel.draw_series([Text::new(text, (FROM + 0.01, baseline + 0.1), style)])?;
    Ok(())
}

fn bold(size: u32, color: &RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().style(FontStyle::Bold).color(color)
}

/// Each bin's left and right end, in multiples of T, with the share that failed in it.
fn shares(samples: &[Sample]) -> impl Iterator<Item = (f64, f64)> + use<> {
    let bins = (samples.len() / SAMPLES).clamp(1, BINS);
    let width = (TO - FROM) / bins as f64;
    let mut counts = vec![(0, 0); bins];
    for sample in samples {
        let bin = ((sample.gap - FROM) / width) as usize;
        let (failed, all) = &mut counts[bin.min(bins - 1)];
        *all += 1;
        *failed += u32::from(sample.is_failed);
    }
    counts
        .into_iter()
        .enumerate()
        .flat_map(move |(bin, (failed, all))| {
            let share = f64::from(failed) / f64::from(all.max(1));
            let start = FROM + width * bin as f64;
            [(start, share), (start + width, share)]
        })
}

/// Colors that those who see red and green alike can tell apart (after Okabe and Ito, and Tol).
fn color(client: ClientName) -> RGBColor {
    match client {
        ClientName::HyperUtil => RGBColor(213, 94, 0),
        ClientName::HyperUtilMinus1s => RGBColor(170, 68, 153),
        ClientName::Reqwest => RGBColor(90, 90, 90),
        ClientName::HttpKeepalive => RGBColor(0, 114, 178),
        ClientName::HttpKeepaliveMargin100Ms => RGBColor(0, 158, 115),
        ClientName::HttpKeepaliveLearned => RGBColor(148, 115, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_that_of_the_requests_in_its_bin() {
        // A thousand gaps, evenly; those from 0.9 to 1.0 fail.
        let samples: Vec<_> = (0..1_000)
            .map(|n| FROM + (TO - FROM) * (f64::from(n) + 0.5) / 1_000.0)
            .map(|gap| Sample {
                gap,
                is_failed: (0.9..1.0).contains(&gap),
            })
            .collect();

        let points: Vec<_> = shares(&samples).collect();

        assert_eq!(points.len(), 2 * BINS);
        for (gap, share) in points {
            let expected = match gap {
                gap if (0.901..0.999).contains(&gap) => 1.0,
                gap if (0.899..1.001).contains(&gap) => continue,
                _ => 0.0,
            };
            assert_eq!(share, expected, "at {gap}");
        }
    }
}
