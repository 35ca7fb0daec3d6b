//! `events.lock`: the names that others rely on, as a committed contract.
//!
//! One fact stands on one line, and the lines are sorted, so that changes read well and merge well. Places are left
//! out: code that moves within its module changes nothing. A named event stands by its name. An event without one
//! is no contract with anyone but its listeners: it appears where a listener hears it, by the path of its type.
//! Listeners that are added while the program runs come and go, and are left out.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, absolute};
use std::{env, fs};

use super::difference::{LockDifference, LockError};
use super::{Catalog, EventEntry, ListenerEntry, wire};

const HEADER: &str = "\
# The named events and the listeners of this program: a contract, which `Catalog::check` holds the program to.
# To accept a change, let the check write this file, read the difference, and commit it:
#
#     EVENTS_LOCK=update cargo test
";

/// The environment variable that lets `check` write the file.
const VARIABLE: &str = "EVENTS_LOCK";

impl Catalog {
    /// Compares the named events and the listeners with a committed file, by custom `events.lock`. A relative path
    /// starts at the current directory, which in tests is that of the package.
    ///
    /// With `EVENTS_LOCK=update` in the environment it writes the file instead, as [`write_lock`](Self::write_lock)
    /// does.
    ///
    /// The file holds the names and versions of named events, the fields and upcasters of those that are durable, and each
    /// listener by its full name with what it hears and how it runs. So a wire form that changes without a step of its
    /// version fails here. Of a field it holds the type as it is written and the attributes of serde: what changes inside
    /// that type it does not see, but a test with [`Golden`](crate::Golden) does. It holds no places. Events without a name appear only where a listener hears them, and
    /// listeners that were added while the program runs not at all.
    ///
    /// Let a test in a file of its own call it: then no other test's listeners are linked.
    ///
    /// ```no_run
    /// # use events_core::Events;
    /// // tests/contract.rs of the application `shop`
    /// // use shop as _;
    ///
    /// #[test]
    /// fn events_are_as_agreed() {
    ///     Events::current().catalog().check("events.lock").unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Shows what appeared and what vanished, with the likely causes, and how to accept it. Also if there is no such
    /// file, or it cannot be read or written.
    pub fn check(&self, path: impl AsRef<Path>) -> Result<(), LockError> {
        let path = path.as_ref();
        if env::var_os(VARIABLE).is_some_and(|value| value == "update") {
            return self.write_lock(path);
        }
        let committed = fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => LockError::Missing {
                path: absolute(path).unwrap_or_else(|_| path.to_owned()),
            },
            _ => LockError::Unreadable {
                path: path.to_owned(),
                source: error,
            },
        })?;
        match LockDifference::between(path, &committed, self) {
            None => Ok(()),
            Some(difference) => Err(LockError::Differs(difference)),
        }
    }

    /// Writes the file that [`check`](Self::check) reads. What stood there is replaced, comments too.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_lock(&self, path: impl AsRef<Path>) -> Result<(), LockError> {
        let path = path.as_ref();
        fs::write(path, self.lock()).map_err(|source| LockError::Unwritable {
            path: path.to_owned(),
            source,
        })
    }

    /// The text of the file.
    pub(super) fn lock(&self) -> String {
        let events: BTreeSet<String> = self.events.iter().filter_map(event).collect();
        let wire: BTreeSet<String> = self.events.iter().flat_map(wire::lines).collect();
        let listeners: BTreeSet<String> = self
            .listeners
            .iter()
            .filter(|listener| !listener.runtime)
            .flat_map(listener)
            .collect();
        let mut text = HEADER.to_owned();
        for lines in [events, wire, listeners] {
            if !lines.is_empty() {
                text.push('\n');
            }
            for line in lines {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}

fn event(event: &EventEntry) -> Option<String> {
    let name = word(event.name.as_deref()?);
    Some(match event.version {
        Some(version) => format!("event {name} version={version}"),
        None => format!("event {name}"),
    })
}

fn listener(listener: &ListenerEntry) -> impl Iterator<Item = String> {
    let name = word(&listener.name);
    let runs = match &listener.queue {
        Some(queue) => format!("queued queue={}", word(&queue.name)),
        None => "inline".to_owned(),
    };
    let heard = listener.hears.each().into_iter();
    heard.map(move |heard| format!("listener {name} hears {heard} {runs}"))
}

/// A name as one word: quoted where it would not be read as one.
pub(super) fn word(name: &str) -> String {
    let plain = |c: char| !(c.is_whitespace() || c.is_control() || c == '"');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// One line of the file, and whom it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) about: About,
    pub(super) line: String,
}

/// Whom a line speaks of: the name is as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    Event(String),
    /// A field of an event's wire form.
    Wire(String),
    /// An upcaster of an event.
    Upcaster(String),
    Listener(String),
    /// A line that this version does not write, such as the mark of a merge conflict.
    Unknown,
}

/// The facts of a file.
pub(super) fn facts(text: &str) -> BTreeSet<Fact> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Fact {
            about: about(line),
            line: line.to_owned(),
        })
        .collect()
}

fn about(line: &str) -> About {
    if let Some(rest) = line.strip_prefix("event ") {
        About::Event(first_word(rest).to_owned())
    } else if let Some(rest) = line.strip_prefix(wire::FIELD) {
        About::Wire(first_word(rest).to_owned())
    } else if let Some(rest) = line.strip_prefix(wire::UPCASTER) {
        About::Upcaster(first_word(rest).to_owned())
    } else if let Some(rest) = line.strip_prefix("listener ") {
        About::Listener(first_word(rest).to_owned())
    } else {
        About::Unknown
    }
}

/// The first word of what [`word`] wrote.
fn first_word(text: &str) -> &str {
    let mut escaped = false;
    let mut quoted = false;
    let end = text.char_indices().find(|(index, c)| {
        if escaped {
            escaped = false;
        } else if *c == '\\' && quoted {
            escaped = true;
        } else if *c == '"' && (*index == 0 || quoted) {
            quoted = !quoted;
        } else {
            return *c == ' ' && !quoted;
        }
        false
    });
    end.map_or(text, |(index, _)| &text[..index])
}

#[cfg(test)]
mod tests {
    use super::{About, facts, first_word, word};

    #[test]
    fn a_name_is_one_word_and_is_found_again() {
        for (name, written) in [
            ("shop::mail::on_paid", "shop::mail::on_paid"),
            ("audit log", "\"audit log\""),
            ("", "\"\""),
            ("a\nb", "\"a\\nb\""),
            ("say \"hears\" \\ it", "\"say \\\"hears\\\" \\\\ it\""),
            ("back\\slash", "back\\slash"),
        ] {
            assert_eq!(word(name), written);
            assert_eq!(
                first_word(&format!("{written} hears order.paid inline")),
                written
            );
            assert_eq!(first_word(written), written);
        }
    }

    #[test]
    fn comments_blank_lines_and_line_ends_say_nothing() {
        let text = "# a comment\r\n\r\n  event order.paid version=1  \r\nlistener a hears \"x.*\" inline\r\n";
        let facts: Vec<_> = facts(text)
            .into_iter()
            .map(|fact| (fact.about, fact.line))
            .collect();
        assert_eq!(
            facts,
            [
                (
                    About::Event("order.paid".into()),
                    "event order.paid version=1".into()
                ),
                (
                    About::Listener("a".into()),
                    "listener a hears \"x.*\" inline".into()
                ),
            ]
        );
    }

    #[test]
    fn the_marks_of_a_merge_conflict_are_facts_about_nothing_known() {
        let facts: Vec<_> = facts("<<<<<<< ours\nevent a\n").into_iter().collect();
        assert_eq!(facts[0].about, About::Event("a".into()));
        assert_eq!(facts[1].about, About::Unknown);
        assert_eq!(facts[1].line, "<<<<<<< ours");
    }
}
