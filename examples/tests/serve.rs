//! The main example as a server, asked as the README asks it.

#[path = "serve/connections.rs"]
mod connections;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{fs, iter, thread};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_helpdesk");
const README: &str = include_str!("../../README.md");
const SECRET: &str = "It's a Secret to Everybody";

/// A SQLite file that is not there yet.
fn sqlite(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    format!("sqlite:{}", path.display())
}

struct Server {
    child: Child,
    lines: Receiver<String>,
    /// Events that were printed before the one that was asked for: jobs run side by side.
    passed: RefCell<Vec<Value>>,
    said: BufReader<ChildStderr>,
    /// Without the path.
    url: String,
}

impl Server {
    fn start(store: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--store", store, "serve", "--listen", "127.0.0.1:0"])
            .env("EVENTS_GITHUB_SECRET", SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut first = String::new();
        said.read_line(&mut first).expect("text");
        let (line, lines) = channel();
        thread::spawn(move || {
            let mut read = BufReader::new(stdout).lines().map_while(Result::ok);
            read.try_for_each(|read| line.send(read))
        });
        let url = first.trim_end().strip_prefix("listening on ");
        let url = url.and_then(|url| url.strip_suffix("/integrations/github/webhook"));
        Self {
            url: url.unwrap_or_else(|| panic!("{first}")).to_owned(),
            lines,
            passed: RefCell::default(),
            said,
            child,
        }
    }

    /// The next event that is printed; none where the output has ended.
    fn next(&self) -> Option<Value> {
        let line = match self.lines.recv_timeout(Duration::from_mins(1)) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("it has said nothing for a minute"),
        };
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next event of this name, read until it is printed.
    fn hear(&self, name: &str) -> Value {
        let mut passed = self.passed.borrow_mut();
        if let Some(at) = passed.iter().position(|event| event["event"] == name) {
            return passed.remove(at);
        }
        loop {
            match self.next() {
                Some(event) if event["event"] == name => return event,
                Some(event) => passed.push(event),
                None => panic!("the program ended without {name}"),
            }
        }
    }

    /// Sends what the README sends, after the shell's own change to its text; the answer.
    fn ask(&self, changed: impl FnOnce(String) -> String) -> String {
        let script = script().replace("http://127.0.0.1:8080", &self.url);
        let asked = Command::new("sh")
            .args(["-euc", &changed(script)])
            .env("EVENTS_GITHUB_SECRET", SECRET)
            .output()
            .expect("a shell");
        assert!(asked.status.success(), "{asked:?}");
        String::from_utf8(asked.stdout).expect("text")
    }

    /// Tells it to stop; how it ended, the events that it printed last, and what it said besides.
    fn stop(mut self) -> (ExitStatus, Vec<Value>, String) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("kill").success());
        let last = iter::from_fn(|| self.next()).collect();
        let mut said = String::new();
        self.said.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("it ends"), last, said)
    }
}

impl Drop for Server {
    /// A test that failed leaves no server behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of the README that send a delivery.
fn script() -> String {
    let blocks = README.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("```").next());
    let found = blocks.find(|block| block.contains("curl "));
    found.expect("the README has it").to_owned()
}

fn is_there(program: &str) -> bool {
    let ended = Command::new(program).arg("version").output();
    ended.is_ok()
}

#[cfg(unix)]
#[test]
fn a_signed_delivery_becomes_an_event_and_sigterm_ends_it_cleanly() {
    if !is_there("curl") || !is_there("openssl") {
        return events_tests::skip("the README's delivery: there is no curl, or no openssl");
    }
    let server = Server::start(&sqlite("served.db"));
    assert_eq!(server.ask(|script| script), r#"{"status":"queued"}"#);
    let received = server.hear("webhook.received");
    assert_eq!(received["payload"]["event_type"], "issues", "{received}");
    let issue = server.hear("github.issue");
    assert_eq!(issue["cause"], received["id"], "{issue}");

    // The same once more, and one whose body is not what was signed.
    assert_eq!(server.ask(|script| script), r#"{"status":"duplicate"}"#);
    let forged = server.ask(|script| script.replace("\"$body\" \\", "\"$body \" \\"));
    assert!(forged.starts_with(r#"{"error":"#), "{forged}");

    let (status, last, said) = server.stop();
    assert!(status.success(), "{status}: {said}");
    let again = last.iter().any(|event| event["event"] == "github.issue");
    assert!(!again, "{last:?}");
}

#[cfg(unix)]
#[test]
fn a_second_start_goes_on_with_the_first_ones_store() {
    if !is_there("curl") || !is_there("openssl") {
        return events_tests::skip("a second start: there is no curl, or no openssl");
    }
    let store = sqlite("served_twice.db");
    let server = Server::start(&store);
    assert_eq!(server.ask(|script| script), r#"{"status":"queued"}"#);
    server.hear("github.issue");
    assert!(server.stop().0.success());
    // It is the same integration: what it has had is a duplicate.
    let server = Server::start(&store);
    assert_eq!(server.ask(|script| script), r#"{"status":"duplicate"}"#);
    assert!(server.stop().0.success());
}

#[test]
fn without_a_secret_it_does_not_start() {
    for secret in [None, Some("")] {
        let mut command = Command::new(PROGRAM);
        command.args(["--store", &sqlite("no_secret.db"), "serve"]);
        command.env_remove("EVENTS_GITHUB_SECRET");
        command.envs(secret.map(|secret| ("EVENTS_GITHUB_SECRET", secret)));
        let output = command.output().expect("the program starts");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("set EVENTS_GITHUB_SECRET"), "{said}");
    }
}
