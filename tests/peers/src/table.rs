//! The tables of all trials.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};

use crate::gaps;
use crate::peers::Peer;
use crate::trial::{Record, Trial};
use crate::trials::Outcome;

/// What became of the requests.
pub fn requests(outcomes: &[(&Peer, Outcome)]) -> String {
    let mut table = empty([
        "client",
        "version",
        "honours the hint",
        "repeats a POST",
        "requests",
        "failed: control",
        "failed: advertised",
        "executed twice",
        "reused: control",
        "reused: advertised",
    ]);
    for (peer, trial) in held(outcomes) {
        let Trial {
            version,
            control,
            advertised,
            ..
        } = trial;
        table.add_row([
            peer.name.to_owned(),
            version.clone(),
            yes_or_no(trial.honours_hints()),
            yes_or_no(trial.repeats_posts()),
            gaps::all().len().to_string(),
            control.failed().len().to_string(),
            advertised.failed().len().to_string(),
            (control.repeated().len() + advertised.repeated().len()).to_string(),
            until(control),
            until(advertised),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// How the failures look to the clients.
pub fn errors(outcomes: &[(&Peer, Outcome)]) -> String {
    let mut table = empty(["client", "errors"]);
    for (peer, trial) in held(outcomes) {
        let seconds = trial.control.0.values().chain(trial.advertised.0.values());
        let errors = seconds.filter_map(|second| second.error.as_deref());
        for error in errors.collect::<BTreeSet<_>>() {
            table.add_row([peer.name, error]);
        }
    }
    table.to_string()
}

fn held<'a>(outcomes: &'a [(&Peer, Outcome)]) -> impl Iterator<Item = (&'a Peer, &'a Trial)> {
    outcomes.iter().filter_map(|(peer, outcome)| match outcome {
        Outcome::Held(trial) => Some((*peer, &**trial)),
        _ => None,
    })
}

/// The longest gap whose connection was reused.
fn until(record: &Record) -> String {
    let longest = record.reused().into_iter().max();
    longest.map_or_else(|| "-".to_owned(), |gap| format!("up to {gap} ms"))
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn empty<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(header);
    table
}
