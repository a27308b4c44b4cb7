//! How a view is drawn.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::board::{Row, RowState};
use crate::screen::{Screen, text};
use crate::servers::SITES;
use crate::view::{ServerView, View};

fn row(id: u64, requests: u64, state: RowState) -> Row {
    Row {
        id,
        requests,
        state,
    }
}

fn idle(left: u64, allowed: u64) -> RowState {
    RowState::Idle {
        left: Duration::from_millis(left),
        allowed: Duration::from_millis(allowed),
    }
}

/// A view of two servers, the second of which is stopped.
fn view() -> View {
    let elapsed = Duration::from_millis(120);
    let quick = ServerView {
        site: SITES[0],
        is_running: true,
        opened: 9,
        requests: 30,
        reused: 21,
        failed: 0,
        failures: [].into(),
        rows: vec![
            row(1, 0, RowState::Unused),
            row(4, 12, idle(1_800, 1_800)),
            row(5, 3, idle(900, 1_800)),
            row(17, 2, idle(100, 1_800)),
            row(18, 1, RowState::Active { elapsed }),
            row(19, 0, RowState::Forwarded),
        ],
    };
    let silent = ServerView {
        site: SITES[2],
        is_running: false,
        opened: 2,
        requests: 5,
        reused: 1,
        failed: 2,
        failures: [("connection refused".to_owned(), 2)].into(),
        rows: Vec::new(),
    };
    View {
        servers: vec![quick, silent],
        closes: [
            ("at its idle deadline", 7),
            ("by the server, while it was idle", 2),
        ]
        .into(),
        is_paused: false,
    }
}

/// The lines of a terminal of that size.
fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| frame.render_widget(Screen(view), frame.area());
    terminal.draw(draw).unwrap();
    let cells = terminal
        .backend()
        .buffer()
        .content
        .chunks(usize::from(width).max(1));
    cells
        .map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn each_connection_has_a_row_with_a_bar_of_what_is_left() {
    assert_eq!(
        drawn(&view(), 76, 18),
        [
            "6 connections open, 11 opened; 35 requests, 22 on a reused connection, 2 fai",
            "",
            "1 quick.test closes after 2 s and says so, 50 ms away: 9 opened, 30 requests",
            "  #1    unused                                                request 0",
            "  #4    idle      ████████████████████  1.8 s of 1.8 s left   request 12",
            "  #5    idle      ██████████░░░░░░░░░░  0.9 s of 1.8 s left   request 3",
            "  #17   idle      █░░░░░░░░░░░░░░░░░░░  0.1 s of 1.8 s left   request 2",
            "  #18   active                          for 0.1 s             request 1",
            "  #19   forwarded                                             request 0",
            "",
            "2 silent.test is stopped: 2 opened, 5 requests, 2 failed",
            "",
            "",
            "",
            "closed",
            "  at its idle deadline                            7",
            "  by the server, while it was idle                2",
            "  failed: 2 x connection refused (silent.test)",
        ]
    );
}

#[test]
fn a_load_that_is_paused_is_shown() {
    let mut view = view();
    assert!(!text(&view, 100).contains("paused"));

    view.is_paused = true;

    assert!(drawn(&view, 100, 20)[0].ends_with("2 failed, paused"));
}

#[test]
fn a_bar_that_is_nearly_empty_is_of_another_colour() {
    let view = view();
    let mut terminal = Terminal::new(TestBackend::new(76, 18)).unwrap();
    terminal
        .draw(|frame| frame.render_widget(Screen(&view), frame.area()))
        .unwrap();

    let buffer = terminal.backend().buffer();
    let colours = [4, 5, 6].map(|line| buffer[(18, line)].fg);
    assert_eq!(colours, [Color::Green, Color::Green, Color::Yellow]);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let lines = drawn(&view(), 76, 12);

    // Ten lines of connections, and room for six.
    assert_eq!(
        lines[5],
        "  #5    idle      ██████████░░░░░░░░░░  0.9 s of 1.8 s left   request 3"
    );
    assert_eq!(lines[6], "  and 5 lines more");
    assert_eq!(lines[8], "closed");
}

#[test]
fn no_size_is_too_small() {
    // Around where a bar begins to have room.
    for width in [0, 1, 2, 17, 18, 55, 56, 57, 80] {
        for height in 0..12 {
            drawn(&view(), width, height);
        }
    }
}

#[test]
fn the_text_is_what_is_drawn_where_there_is_room_for_all() {
    let view = view();
    let height = Screen(&view).height(76);

    assert_eq!(text(&view, 76), drawn(&view, 76, height).join("\n"));
    assert!(!text(&view, 76).contains("lines more"));
}
