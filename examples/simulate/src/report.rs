//! What became of the worlds, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::simulation::{Counts, Outcome};

/// What became of the worlds with one client.
pub struct Report {
    pub name: &'static str,
    pub counts: Counts,
    /// Seeds, and what must not happen and did.
    pub violations: Vec<(u64, String)>,
    /// Of all that happened, in whatever order the worlds were run.
    pub digest: u64,
}

impl Report {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            counts: Counts::default(),
            violations: Vec::new(),
            digest: 0,
        }
    }

    pub fn add(&mut self, outcome: Outcome) {
        self.counts.add(&outcome.counts);
        self.digest ^= outcome.digest;
        let violations = outcome.violations.into_iter();
        let violations = violations.map(|violation| (outcome.seed, violation));
        self.violations.extend(violations);
    }

    fn rows(&self) -> Vec<(String, u64)> {
        let counts = &self.counts;
        let mut rows: Vec<_> = [
            ("worlds", counts.worlds),
            ("days in them", counts.seconds / (24 * 3600)),
            ("requests made", counts.requests),
            ("exchanges begun", counts.exchanges),
            ("on a reused connection", counts.reused),
            ("... as what was learned allows", counts.lengthened),
            ("connections", counts.connections),
            ("answers read as sent", counts.answered),
            ("given up by their callers", counts.given_up),
        ]
        .map(|(name, number)| (name.to_owned(), number))
        .into();
        rows.extend(lines("struck", &counts.struck));
        rows.extend(lines("failed", &counts.failures));
        rows.push(("violations".to_owned(), self.violations.len() as u64));
        rows
    }

    fn json(&self) -> Value {
        let counts = &self.counts;
        let violations: Vec<_> = self
            .violations
            .iter()
            .map(|(seed, what)| json!({ "seed": seed, "what": what }))
            .collect();
        json!({
            "name": self.name,
            "worlds": counts.worlds,
            "seconds": counts.seconds,
            "requests": counts.requests,
            "exchanges": counts.exchanges,
            "reused": counts.reused,
            "lengthened": counts.lengthened,
            "connections": counts.connections,
            "answered": counts.answered,
            "given_up": counts.given_up,
            "struck": object(&counts.struck),
            "failures": object(&counts.failures),
            "violations": violations,
            "digest": format!("{:016x}", self.digest),
        })
    }
}

/// One JSON object.
pub fn json(reports: &[Report]) -> Value {
    let clients: Vec<_> = reports.iter().map(Report::json).collect();
    json!({ "clients": clients })
}

/// A table: a line for each number, a column for each client.
pub fn table(reports: &[Report]) -> Table {
    let mut lines: Vec<(String, Vec<u64>)> = Vec::new();
    for (column, report) in reports.iter().enumerate() {
        for (name, number) in report.rows() {
            let at = lines.iter().position(|(known, _)| *known == name);
            let at = at.unwrap_or_else(|| {
                // Behind those of its kind, before the last.
                let at = lines.len().saturating_sub(usize::from(column > 0));
                lines.insert(at, (name, vec![0; reports.len()]));
                at
            });
            lines[at].1[column] = number;
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let names = reports.iter().map(|report| report.name.to_owned());
    table.set_header([String::new()].into_iter().chain(names));
    for (name, numbers) in lines {
        let numbers = numbers.iter().map(u64::to_string);
        table.add_row([name].into_iter().chain(numbers));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn lines<K: Display>(kind: &str, numbers: &BTreeMap<K, u64>) -> Vec<(String, u64)> {
    let lines = numbers.iter();
    lines
        .map(|(what, &times)| (format!("{kind}: {what}"), times))
        .collect()
}

fn object<K: Debug>(numbers: &BTreeMap<K, u64>) -> Map<String, Value> {
    let entries = numbers.iter();
    entries
        .map(|(what, &times)| (format!("{what:?}"), times.into()))
        .collect()
}
