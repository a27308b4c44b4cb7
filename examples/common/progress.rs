//! How far a run has come.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of so many requests, which take so long at most; it is seen only where it is asked for, and
/// where somebody looks.
pub fn progress_bar(requests: u64, at_most: Duration, is_shown: bool) -> ProgressBar {
    let bar = ProgressBar::new(requests);
    if !is_shown {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:40} {pos}/{len} requests, {elapsed} of at most {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(format!("{} s", at_most.as_secs() + 1));
    bar
}
