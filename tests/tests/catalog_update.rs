//! `EVENTS_LOCK=update`: the check writes the file. The variable is the process's own, so the test runs itself
//! again with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use events_core::{Event, Events, listener};

#[derive(Clone, Debug, Event)]
#[event(name = "order.paid")]
struct OrderPaid;

#[listener(OrderPaid)]
fn print(event: &OrderPaid) {
    println!("{event:?}");
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalog-update.lock")
}

/// Whether the check passes. Only called in a process of its own: see below.
#[test]
#[ignore = "the other test runs it with the variable"]
fn checks() {
    Events::current().catalog().check(file()).unwrap();
}

/// What `checks` says with this value of the variable, if it fails.
fn checked(value: Option<&str>) -> Result<(), String> {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "checks"])
        .env_remove("EVENTS_LOCK");
    if let Some(value) = value {
        command.env("EVENTS_LOCK", value);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("running 1 test"), "{said}");
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

#[test]
fn the_variable_lets_the_check_write() {
    let _ = fs::remove_file(file());
    assert!(checked(None).unwrap_err().contains("there is no `"));
    assert!(checked(Some("yes")).unwrap_err().contains("there is no `"));
    assert!(!file().exists());

    checked(Some("update")).unwrap();
    let written = fs::read_to_string(file()).unwrap();
    assert!(
        written.ends_with(
            "\nevent order.paid\n\nlistener catalog_update::print hears order.paid inline\n"
        ),
        "{written}"
    );
    checked(None).unwrap();

    fs::write(
        file(),
        "event order.paid\nlistener gone hears order.paid inline\n",
    )
    .unwrap();
    let said = checked(None).unwrap_err();
    assert!(
        said.contains("- listener gone hears order.paid inline"),
        "{said}"
    );
    assert!(
        said.contains("+ listener catalog_update::print hears order.paid inline"),
        "{said}"
    );
    checked(Some("update")).unwrap();
    assert_eq!(fs::read_to_string(file()).unwrap(), written);
}
