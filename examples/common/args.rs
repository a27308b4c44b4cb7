//! The command line.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Reads the command line; what is wrong with it is said in one line.
pub fn read<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // `--help`, which is no error.
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        let said: Vec<_> = text.lines().map(str::trim).collect();
        // Behind the first empty line comes advice.
        let said = said.split(|line| line.is_empty()).next();
        eprintln!("{}", said.unwrap_or(&["error: bad arguments"]).join(" "));
        ExitCode::from(2)
    })
}

/// A number of seconds.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let expected = "expected seconds, from 0.5 to 3600";
    let seconds: f64 = text.parse().map_err(|_| expected.to_owned())?;
    if (0.5..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(expected.to_owned())
    }
}
