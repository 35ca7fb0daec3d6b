//! Golden payloads: what is said where the program is not held to them.

use std::fs;
use std::path::PathBuf;

use events_core::{Event, Golden, GoldenError, upcaster};
use pollster::block_on;
use serde_json::{Value, json};

use crate::builder;

#[derive(Debug, Event)]
#[event(durable, name = "golden.paid", version = 2)]
struct Paid {
    cents: u64,
}

#[upcaster(Paid, from = 1)]
fn in_cents(euros: u64) -> Result<Value, String> {
    let cents = euros.checked_mul(100).ok_or("too much")?;
    Ok(json!({ "cents": cents }))
}

/// A folder that holds these files.
fn folder(name: &str, files: &[(&str, u32, &str)]) -> (PathBuf, Golden) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (event, version, payload) in files {
        let text = format!(r#"{{"event":"{event}","version":{version},"payload":{payload}}}"#);
        fs::write(folder.join(format!("{event}.v{version}.json")), text).unwrap();
    }
    (folder.clone(), Golden::new(folder))
}

const FIRST: (&str, u32, &str) = ("golden.paid", 1, "7");
const SECOND: (&str, u32, &str) = ("golden.paid", 2, r#"{"cents":700}"#);

fn read_all(golden: &Golden) -> Result<Vec<u64>, GoldenError> {
    let events = builder(module_path!()).build().unwrap();
    let read = block_on(golden.read_all(&events))?;
    let cents = read
        .iter()
        .map(|event| event.downcast_ref::<Paid>().unwrap().cents);
    Ok(cents.collect())
}

#[test]
fn what_is_as_it_was_passes() {
    let (_, golden) = folder("passes", &[FIRST, SECOND]);
    golden.check(&Paid { cents: 700 }).unwrap();
    assert_eq!(read_all(&golden).unwrap(), [700, 700]);
}

#[test]
fn what_changed_is_shown_with_its_cure() {
    let (folder, golden) = folder("changed", &[FIRST, ("golden.paid", 2, r#"{"cent":700}"#)]);
    let error = golden.check(&Paid { cents: 700 }).unwrap_err();
    let path = folder.join("golden.paid.v2.json");
    assert_eq!(
        error.to_string(),
        format!(
            "the wire form of `Paid` is not that of `{}`:\n\n- {{\"cent\":700}}\n+ {{\"cents\":700}}\n\nraise \
             `version` to 3, write an `#[upcaster(Paid, from = 2)]` and keep this file; if nothing was stored in this \
             form yet, accept it with `EVENTS_GOLDEN=update cargo test`",
            path.display()
        )
    );
    let unreadable = read_all(&golden).unwrap_err();
    assert!(
        matches!(unreadable, GoldenError::Unreadable { .. }),
        "{unreadable}"
    );
}

#[test]
fn a_version_that_is_read_has_a_file() {
    for (name, kept, lost) in [("no-first", SECOND, 1), ("no-second", FIRST, 2)] {
        let (folder, golden) = folder(name, &[kept]);
        let lost = folder.join(format!("golden.paid.v{lost}.json"));
        match read_all(&golden) {
            Err(GoldenError::Missing { path }) => assert_eq!(path, lost),
            other => panic!("{other:?}"),
        }
    }
    let (_, golden) = folder("empty", &[FIRST]);
    let missing = golden.check(&Paid { cents: 700 }).unwrap_err();
    assert!(matches!(missing, GoldenError::Missing { .. }), "{missing}");
}

#[test]
fn what_no_upcaster_turns_cannot_be_read() {
    for (name, file) in [
        ("future", ("golden.paid", 3, "{}")),
        ("other", ("golden.gone", 1, "{}")),
        ("too-much", ("golden.paid", 1, "18446744073709551615")),
    ] {
        let (_, golden) = folder(name, &[SECOND, file]);
        let error = read_all(&golden).unwrap_err();
        assert!(
            error.to_string().contains(" cannot be read any more: "),
            "{error}"
        );
    }
}
