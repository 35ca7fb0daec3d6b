//! The progress of a run while it runs: a bar on a terminal, plain lines elsewhere.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::CommandError;
use crate::integration::Integrations;
use crate::sync::{RunState, SyncProgress};

/// How often it is looked at where a bar shows it: 10 times a second.
const BAR: Duration = Duration::from_millis(100);
/// How often where lines do, which stay.
const LINES: Duration = Duration::from_secs(1);

/// Follows a run of an integration.
pub(super) struct Follow<'i> {
    integrations: &'i Integrations,
    integration_id: i64,
    shown: Shown,
}

enum Shown {
    Bar(Bar),
    Lines(Option<String>),
    Nothing,
}

impl<'i> Follow<'i> {
    /// `quiet`: nothing is shown.
    pub(super) fn new(integrations: &'i Integrations, integration_id: i64, quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if io::stderr().is_terminal() && io::stdout().is_terminal() {
            Shown::Bar(Bar::new())
        } else {
            Shown::Lines(None)
        };
        Self {
            integrations,
            integration_id,
            shown,
        }
    }

    fn ticks(&self) -> Interval {
        let every = match self.shown {
            Shown::Lines(_) => LINES,
            Shown::Bar(_) | Shown::Nothing => BAR,
        };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// Shows how many items its run has found so far, and ends only if that fails.
    pub(super) async fn enumerating(
        &mut self,
        output: &mut (impl Write + Send),
    ) -> Result<Infallible, CommandError> {
        let mut ticks = self.ticks();
        loop {
            ticks.tick().await;
            let status = self.integrations.sync_status(self.integration_id).await?;
            if let Some((_, progress)) = status
                && progress.state == RunState::Enumerating
            {
                self.show(&progress, output)?;
            }
        }
    }

    /// Shows how far a run has come until it is closed.
    pub(super) async fn until_closed(
        &mut self,
        run_id: i64,
        output: &mut (impl Write + Send),
    ) -> Result<(), CommandError> {
        let mut ticks = self.ticks();
        loop {
            ticks.tick().await;
            let progress = self.integrations.progress(run_id).await?;
            if progress.state == RunState::Closed {
                return Ok(());
            }
            self.show(&progress, output)?;
        }
    }

    fn show(&mut self, progress: &SyncProgress, output: &mut impl Write) -> io::Result<()> {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.show(progress);
            }
            Shown::Lines(last) => {
                let line = figures(progress);
                if last.as_ref() != Some(&line) {
                    writeln!(output, "{}: {line}", progress.state)?;
                    *last = Some(line);
                }
            }
            Shown::Nothing => {}
        }
        Ok(())
    }

    /// Clears the bar.
    pub(super) fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.bar.finish_and_clear();
        }
    }
}

/// A bar, and the words behind it.
struct Bar {
    bar: ProgressBar,
    /// Not the bar's own message: each change of the bar would draw it once more.
    words: Arc<Mutex<String>>,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let words: Arc<Mutex<String>> = Arc::default();
        let shown = words.clone();
        let write_words = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = text.write_str(&shown.lock().unwrap_or_else(PoisonError::into_inner));
        };
        let bar = match ProgressStyle::with_template("{bar:30} {pos}/{len} {words}") {
            Ok(style) => bar.with_style(style.with_key("words", write_words)),
            Err(_) => bar,
        };
        Self { bar, words }
    }

    fn show(&self, progress: &SyncProgress) {
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = figures(progress);
        self.bar.update(|state| {
            state.set_len(progress.enumerated);
            state.set_pos(progress.done + progress.failed);
        });
    }
}

/// The figures in words: those that are known.
pub(super) fn figures(progress: &SyncProgress) -> String {
    let SyncProgress {
        state,
        enumerated,
        done,
        failed,
        rate,
        estimate,
        ..
    } = progress;
    if *state == RunState::Enumerating {
        return format!("{enumerated} found");
    }
    let mut text = format!("{enumerated} found, {done} done, {failed} failed");
    if *state == RunState::Open && *rate > 0.0 {
        // A text takes all that is written.
        let _ = write!(text, ", {rate:.1} a second");
        if let Some(left) = estimate {
            let left = Duration::from_secs(left.as_secs());
            let _ = write!(text, ", {} left", humantime::format_duration(left));
        }
    }
    text
}
