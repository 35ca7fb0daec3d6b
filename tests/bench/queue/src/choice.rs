//! What a run measures: the words of the command line.

use crate::Error;
use crate::base::Setting;

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Push, beside the bare statements; so are the next two.
    Push,
    /// Claims, runs and ends.
    Process,
    /// From a push to the start of the listener, in one process.
    Start,
    /// Four pushers and a worker in one process, on SQLite.
    Pushers,
    /// Latency from one process to another.
    Processes,
    /// What a claim costs in tables of different sizes.
    Claims,
    /// Whole sync runs beside the bare statements.
    Items,
    /// Sync runs of four sizes: the time of an item, and memory.
    Sizes,
    /// Webhooks beside a bare handler, and beside half-open connections.
    Deliveries,
    /// Push and process beside another queue.
    #[cfg(feature = "peers")]
    Peers,
}

/// The first four together.
const FIGURES: &str = "figures";

const PARTS: &[(&str, Part)] = &[
    ("push", Part::Push),
    ("process", Part::Process),
    ("start", Part::Start),
    ("pushers", Part::Pushers),
    ("processes", Part::Processes),
    ("claims", Part::Claims),
    ("items", Part::Items),
    ("sizes", Part::Sizes),
    ("deliveries", Part::Deliveries),
    #[cfg(feature = "peers")]
    ("peers", Part::Peers),
];

const OF_FIGURES: [Part; 4] = [Part::Push, Part::Process, Part::Start, Part::Pushers];

const DATABASES: [&str; 4] = ["sqlite", "sqlite-full", "sqlite-normal", "postgres"];

/// Which parts run, on which databases.
pub struct Choice {
    parts: Vec<Part>,
    databases: Vec<String>,
}

impl Choice {
    /// From the words: names of parts and of databases, in any order.
    pub fn from_words(words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let (mut parts, mut databases) = (Vec::new(), Vec::new());
        for word in words {
            if let Some((_, part)) = PARTS.iter().find(|(name, _)| *name == word) {
                parts.push(*part);
            } else if word == FIGURES {
                parts.extend(OF_FIGURES);
            } else if DATABASES.contains(&word.as_str()) {
                databases.push(word);
            } else {
                let mut known = vec![FIGURES];
                known.extend(PARTS.iter().map(|(name, _)| *name));
                known.extend(DATABASES);
                let built = if cfg!(feature = "peers") {
                    ""
                } else {
                    "; peers with the feature `peers`"
                };
                return Err(format!("unknown: {word}. Known: {}{built}", known.join(", ")).into());
            }
        }
        if parts.is_empty() {
            // Those that take less than a minute each.
            parts.extend(OF_FIGURES);
            parts.push(Part::Processes);
        }
        Ok(Self { parts, databases })
    }

    /// Whether a part runs.
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// The databases among these.
    pub fn of(&self, settings: Vec<Setting>) -> Vec<Setting> {
        let chosen = |setting: &Setting| {
            let name = setting.name().to_lowercase().replace(' ', "-");
            self.databases.is_empty() || self.databases.iter().any(|word| name.starts_with(word))
        };
        settings.into_iter().filter(chosen).collect()
    }
}
