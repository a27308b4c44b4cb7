//! What became of all clients, and what is to hold of it.

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::TOO_LATE;
use super::scenario::{ClientName, Scenario};
use super::users::Outcome;

/// One client in one scenario.
#[derive(Debug)]
pub struct Row {
    pub scenario: Scenario,
    pub client: ClientName,
    pub outcome: Outcome,
}

/// All that ran.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

/// Something that is to hold.
struct Claim {
    scenario: Scenario,
    text: String,
    holds: bool,
}

/// The connections on the link `far`, to the fewest that lose none.
const MOST_BY_DEFAULT: f64 = 1.45;
const MOST_WITH_MARGIN: f64 = 1.10;

/// The default margin is no longer, in seconds. After a lost SYN-ACK, TCP waits for up to 3 s before it
/// sends a lost request again, and no margin covers that.
const LONGEST_MARGIN: f64 = 1.0;

/// How many requests it costs a process to learn that connections are forgotten.
const MOST_TO_LEARN: u64 = 2;

impl Row {
    /// The connections, to the fewest that lose none.
    fn ratio(&self) -> Option<f64> {
        let fewest = self.outcome.fewest?;
        Some(self.outcome.connections as f64 / fewest as f64)
    }

    /// What is to hold of this row.
    fn claims(&self) -> Vec<Claim> {
        use ClientName as C;
        use Scenario as S;

        let outcome = &self.outcome;
        let claim = |text: String, holds| Claim {
            scenario: self.scenario,
            text: format!("{}, {}: {text}", name(self.scenario), self.client.label()),
            holds,
        };
        let loses_none = || {
            claim(
                format!("{} lost, 0 expected", outcome.lost),
                outcome.lost == 0,
            )
        };
        let connects_seldom = |most: f64| {
            let ratio = self.ratio().unwrap_or(f64::INFINITY);
            let text = format!("{ratio:.2} of the fewest connections, at most {most:.2} expected");
            claim(text, ratio <= most)
        };
        match (self.scenario, self.client) {
            (_, C::HyperUtil) => {
                let text = format!("{} lost, some expected", outcome.lost);
                vec![claim(text, outcome.lost > 0)]
            }
            (S::Far, C::Default) => vec![loses_none(), connects_seldom(MOST_BY_DEFAULT)],
            (S::Far, C::Margin) => vec![loses_none(), connects_seldom(MOST_WITH_MARGIN)],
            (S::Loss, C::Default) => {
                let lost = outcome.lost - outcome.losses_over(LONGEST_MARGIN);
                let text = format!(
                    "{} lost, {lost} of them within 1 s, 0 within 1 s expected",
                    outcome.lost
                );
                vec![claim(text, lost == 0)]
            }
            // A packet that has to be sent again is later than 100 ms.
            (S::Loss, C::Margin) => vec![],
            (S::ForgottenReset, C::Default) => {
                let most = outcome.lost_of_one_user;
                let text = format!("a process lost {most}, at most {MOST_TO_LEARN} expected");
                vec![claim(text, most <= MOST_TO_LEARN)]
            }
            // No server's timer explains what is lost there.
            (S::ForgottenSilent, C::Default) => vec![],
            (_, C::Default | C::Margin | C::MaxIdle) => vec![loses_none()],
        }
    }
}

impl Report {
    /// Takes rows in, in place of those of the same scenarios.
    pub fn replace(&mut self, rows: Vec<Row>) {
        self.rows
            .retain(|old| rows.iter().all(|new| new.scenario != old.scenario));
        self.rows.extend(rows);
        self.rows.sort_by_key(|row| (row.scenario, row.client));
    }

    /// Whether everything holds that is to.
    pub fn holds(&self) -> bool {
        self.claims().all(|claim| claim.holds)
    }

    /// Whether something does not hold in a scenario, and timers were late.
    pub fn proves_nothing(&self, scenario: Scenario) -> bool {
        let is_wrong = self
            .claims()
            .any(|claim| claim.scenario == scenario && !claim.holds);
        let rows = self.rows.iter().filter(|row| row.scenario == scenario);
        is_wrong && rows.map(|row| row.outcome.late).fold(0.0, f64::max) >= TOO_LATE
    }

    pub fn json(&self) -> Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "scenario": row.scenario,
                    "client": row.client,
                    "outcome": row.outcome,
                    "ratio": row.ratio(),
                })
            })
            .collect();
        let claims: Vec<_> = self
            .claims()
            .map(|claim| json!({ "claim": claim.text, "holds": claim.holds }))
            .collect();
        json!({ "rows": rows, "claims": claims, "timers_late": self.late() })
    }

    pub fn text(&self) -> String {
        let mut lines = vec![self.table().to_string()];
        for row in &self.rows {
            for (failure, times) in &row.outcome.failures {
                let (scenario, client) = (name(row.scenario), row.client.label());
                lines.push(format!("{scenario}, {client}: {times} x {failure}"));
            }
        }
        let late = (self.late() * 1000.0).round();
        lines.push(format!("timers were late by {late} ms at most"));
        for claim in self.claims() {
            let verdict = if claim.holds {
                "holds"
            } else {
                "DOES NOT HOLD"
            };
            lines.push(format!("{verdict}: {}", claim.text));
        }
        lines.join("\n")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header([
            "scenario",
            "client",
            "requests",
            "lost",
            "connections",
            "fewest",
            "ratio",
            "late",
        ]);
        for row in &self.rows {
            let outcome = &row.outcome;
            let fewest = outcome.fewest.map(|fewest| fewest.to_string());
            let ratio = row.ratio().map(|ratio| format!("{ratio:.2}"));
            let unknown = || "-".to_owned();
            table.add_row([
                name(row.scenario),
                row.client.label().to_owned(),
                outcome.requests.to_string(),
                outcome.lost.to_string(),
                outcome.connections.to_string(),
                fewest.unwrap_or_else(unknown),
                ratio.unwrap_or_else(unknown),
                format!("{:.0} ms", outcome.late * 1000.0),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn claims(&self) -> impl Iterator<Item = Claim> {
        self.rows.iter().flat_map(Row::claims)
    }

    fn late(&self) -> f64 {
        self.rows
            .iter()
            .map(|row| row.outcome.late)
            .fold(0.0, f64::max)
    }
}

/// The name on the command line.
fn name(scenario: Scenario) -> String {
    let value = scenario.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
