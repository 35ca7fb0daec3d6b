//! The contract of `events.lock`: what is written, and what is said of each difference.

use std::fs;
use std::path::Path;

use events_core::LockError;

use crate::{catalog, file};

/// The check of a file that holds the contract with these lines in place of others.
fn checked(name: &str, replace: &[(&str, &str)]) -> Result<(), LockError> {
    let path = file(name);
    let mut text = include_str!("events.lock").to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    fs::write(&path, text).unwrap();
    catalog().check(path)
}

/// What such a check says.
fn said(name: &str, replace: &[(&str, &str)]) -> String {
    let error = checked(name, replace).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    error.to_string()
}

/// The whole of what a check says about these lines and hints.
fn difference(name: &str, lines: &str, hints: &[&str]) -> String {
    let mut text = format!(
        "the program differs from `{}`:\n\n{lines}",
        file(name).display()
    );
    for hint in hints {
        text = format!("{text}\n{hint}\n");
    }
    format!(
        "{text}\nto accept this, run the check with EVENTS_LOCK=update in the environment, and commit the file"
    )
}

#[test]
fn the_committed_contract_holds() {
    catalog().check("tests/catalog/events.lock").unwrap();
}

#[test]
fn the_file_is_written_and_checked() {
    let path = file("written");
    let _ = fs::remove_file(&path);
    catalog().write_lock(&path).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        include_str!("events.lock")
    );
    catalog().check(&path).unwrap();
    fs::write(&path, "listener gone hears order.paid inline\n").unwrap();
    assert!(matches!(catalog().check(&path), Err(LockError::Differs(_))));
    catalog().write_lock(&path).unwrap();
    catalog().check(&path).unwrap();
}

#[test]
fn line_ends_comments_and_order_are_no_difference() {
    let path = file("line-ends");
    let mut lines: Vec<&str> = include_str!("events.lock").lines().collect();
    lines.reverse();
    fs::write(&path, lines.join("\r\n\r\n# ours\r\n")).unwrap();
    catalog().check(&path).unwrap();
}

#[test]
fn the_file_names_no_places() {
    let text = include_str!("events.lock");
    assert!(!text.contains(".rs"));
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")));
}

#[test]
fn what_appeared_is_shown() {
    let line = "listener say.all hears \"order.*\" inline\n";
    assert_eq!(
        said("appeared", &[(line, ""), ("event order.shipped\n", "")]),
        difference(
            "appeared",
            "+ event order.shipped\n+ listener say.all hears \"order.*\" inline\n",
            &[]
        )
    );
}

#[test]
fn the_lines_of_a_difference_can_be_read_one_by_one() {
    let replace = [("queue=mail", "queue=post"), ("event order.shipped\n", "")];
    let Err(LockError::Differs(difference)) = checked("lines", &replace) else {
        panic!("a difference");
    };
    let appeared: Vec<&str> = difference.appeared().collect();
    let vanished: Vec<&str> = difference.vanished().collect();
    let receipt = "listener catalog::shop::receipt hears order.paid queued";
    assert_eq!(
        appeared,
        ["event order.shipped", &format!("{receipt} queue=mail")]
    );
    assert_eq!(vanished, [&format!("{receipt} queue=post")]);
}

#[test]
fn a_listener_that_changed_stands_beside_what_it_was() {
    assert_eq!(
        said(
            "changed",
            &[
                ("queue=mail", "queue=post"),
                ("reserve hears order.paid", "reserve hears order.payed")
            ]
        ),
        difference(
            "changed",
            "- listener catalog::shop::receipt hears order.paid queued queue=post\n\
             + listener catalog::shop::receipt hears order.paid queued queue=mail\n\
             - listener catalog::shop::reserve hears order.payed inline\n\
             + listener catalog::shop::reserve hears order.paid inline\n",
            &[]
        )
    );
}

const SAY_ALL: &str = "listener say.all";

#[test]
fn listeners_of_a_crate_that_is_not_linked_are_missed() {
    let gone = "listener mails::receipt hears order.paid queued queue=mail\n\
                listener mails::sent::log hears dyn catalog::shop::Audited inline\n";
    assert_eq!(
        said("linkage", &[(SAY_ALL, &format!("{gone}{SAY_ALL}"))]),
        difference(
            "linkage",
            "- listener mails::receipt hears order.paid queued queue=mail\n\
             - listener mails::sent::log hears dyn catalog::shop::Audited inline\n",
            &[
                "2 listeners of the crate `mails` vanished, and with them all of the crate. If the code still has \
                 them, the crate is not linked: a crate that no code names is left out, with its events and \
                 listeners. Name it: `use mails as _;`",
                "Jobs of `mails::receipt` may still be stored. If it was renamed, let the new one say so: `formerly = \"..\"`.",
            ]
        )
    );
}

#[test]
fn a_listener_of_which_the_crate_is_not_known_is_missed() {
    let gone = "listener \"a log\" hears order.paid inline\n";
    assert_eq!(
        said("given", &[(SAY_ALL, &format!("{gone}{SAY_ALL}"))]),
        difference(
            "given",
            &format!("- {gone}"),
            &[
                "The listener `\"a log\"` vanished. If the code still has it, its crate is not linked: a crate that no \
               code names is left out, with its events and listeners. Name it: `use that_crate as _;`"
            ]
        )
    );
}

#[test]
fn a_listener_of_a_crate_that_is_linked_was_not_lost_by_the_linker() {
    let gone = "listener catalog::shop::gone hears order.paid inline\n";
    assert_eq!(
        said("removed", &[(SAY_ALL, &format!("{gone}{SAY_ALL}"))]),
        difference(
            "removed",
            &format!("- {gone}"),
            &[
                "The listener `catalog::shop::gone` vanished. The crate `catalog` is linked, so `use catalog as _;` is \
               not what lacks. If the code still has it, look for a `#[cfg]` that leaves it out, or another name."
            ]
        )
    );
}

#[test]
fn a_listener_that_says_its_former_name_is_recognised() {
    let old = "listener shop::mail hears order.paid queued queue=mail";
    let new = "listener catalog::shop::receipt hears order.paid queued queue=mail";
    assert_eq!(
        said("renamed", &[(new, old)]),
        difference(
            "renamed",
            &format!("+ {new}\n- {old}\n"),
            &[
                "`shop::mail` is now `catalog::shop::receipt`, which runs its stored jobs too (`formerly`)."
            ]
        )
    );
}

const PAID: &str = "event order.paid version=2\n";
const FIELD: &str = "wire order.paid version=2 customer: Customer #[event(model)]\n";
const UPCASTER: &str = "upcaster order.paid from=1\n";

#[test]
fn another_version_tells_of_wire_forms() {
    let before = [PAID, FIELD].map(|line| line.replace("version=2", "version=1"));
    assert_eq!(
        said(
            "version",
            &[(PAID, &before[0]), (FIELD, &before[1]), (UPCASTER, "")]
        ),
        difference(
            "version",
            &format!(
                "- {}+ {PAID}- {}+ {FIELD}+ {UPCASTER}",
                before[0], before[1]
            ),
            &[
                "The wire form of `order.paid` changed from version 1 to version 2. Upcasters turn what was stored in \
                 version 1. A program that has version 1 leaves jobs of version 2 alone."
            ]
        )
    );
}

#[test]
fn another_version_without_an_upcaster_tells_of_jobs() {
    assert_eq!(
        said("no-upcaster", &[(PAID, "event order.paid version=7\n")]),
        difference(
            "no-upcaster",
            &format!("- event order.paid version=7\n+ {PAID}"),
            &[
                "The wire form of `order.paid` changed from version 7 to version 2. Nothing turns what was stored in \
                 version 7: write an `#[upcaster(.., from = 7)]`, or let the jobs run out first. A program that has \
                 version 7 leaves jobs of version 2 alone."
            ]
        )
    );
}

#[test]
fn an_upcaster_that_vanished_is_missed() {
    let gone = format!("{UPCASTER}upcaster order.paid from=0\n");
    assert_eq!(
        said("upcaster", &[(UPCASTER, &gone)]),
        difference(
            "upcaster",
            "- upcaster order.paid from=0\n",
            &[
                "Nothing turns what was stored in version 0 of `order.paid` any more: such jobs cannot run. If the code \
                 still has the upcaster, its crate is not linked."
            ]
        )
    );
}

#[test]
fn a_wire_form_that_changed_without_a_version_step_is_told_field_by_field() {
    let before = "wire order.paid version=2 customer: Option<Customer>\n\
                  wire order.paid version=2 note: String\n";
    assert_eq!(
        said("silent", &[(FIELD, before)]),
        difference(
            "silent",
            "- wire order.paid version=2 customer: Option<Customer>\n\
             - wire order.paid version=2 note: String\n\
             + wire order.paid version=2 customer: Customer #[event(model)]\n",
            &[
                "The wire form of `order.paid` changed, and is version 2 as before: `customer: Option<Customer>` became \
                 `customer: Customer #[event(model)]`, `note: String` is gone. What was stored in version 2 may not be \
                 readable: raise the event's `version` to 3, and write an `#[upcaster(.., from = 2)]`. If nothing was \
                 stored yet, or the JSON is the same, accept it."
            ]
        )
    );
    let less = "wire order.paid version=2 other: u8\n";
    let text = said("silent-new", &[(FIELD, less)]);
    let new = "`other: u8` is gone, `customer: Customer #[event(model)]` is new.";
    assert!(text.contains(new), "{text}");
}

#[test]
fn a_file_from_before_there_were_fields_lacks_lines_and_is_told_no_more() {
    assert_eq!(
        said("old-file", &[(FIELD, ""), (UPCASTER, "")]),
        difference("old-file", &format!("+ {FIELD}+ {UPCASTER}"), &[])
    );
}

#[test]
fn an_event_that_lost_its_wire_form_tells_of_jobs() {
    assert_eq!(
        said(
            "wireless",
            &[("event order.shipped", "event order.shipped version=1")]
        ),
        difference(
            "wireless",
            "- event order.shipped version=1\n+ event order.shipped\n",
            &[
                "`order.shipped` has no wire form any more: jobs that were stored with it cannot run."
            ]
        )
    );
}

#[test]
fn events_that_vanished_are_missed() {
    let gone = "event order.lost version=1\nevent order.named\n";
    let cure = "its crate is not linked: a crate that no code names is left out, with its events and listeners. Name \
                it: `use that_crate as _;`";
    assert_eq!(
        said(
            "events",
            &[("event order.paid", &format!("{gone}event order.paid"))]
        ),
        difference(
            "events",
            "- event order.lost version=1\n- event order.named\n",
            &[
                &format!(
                    "The event `order.lost` vanished. Jobs that were stored with it cannot run. If the code still has it, {cure}"
                ),
                &format!("The event `order.named` vanished. If the code still has it, {cure}"),
            ]
        )
    );
}

#[test]
fn an_unfinished_merge_is_told() {
    assert_eq!(
        said("merge", &[(SAY_ALL, &format!("<<<<<<< ours\n{SAY_ALL}"))]),
        difference(
            "merge",
            "- <<<<<<< ours\n",
            &["The file has lines that are no facts: is a merge unfinished?"]
        )
    );
}

#[test]
fn a_missing_file_says_how_to_write_it() {
    let path = file("missing");
    let _ = fs::remove_file(&path);
    let error = catalog().check(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "there is no `{}`: write it with `EVENTS_LOCK=update cargo test`, or by `catalog.write_lock(..)`, and commit it",
            path.display()
        )
    );
    assert!(matches!(error, LockError::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn a_missing_file_is_looked_for_in_the_current_directory() {
    let error = catalog().check("no-such.lock").unwrap_err();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-such.lock");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_read_or_written_says_why() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let error = catalog().check(directory).unwrap_err();
    assert!(matches!(error, LockError::Unreadable { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        format!("{error:?}"),
        format!("cannot read `{}`: {cause}", directory.display())
    );
    let error = catalog().write_lock(directory).unwrap_err();
    assert!(matches!(error, LockError::Unwritable { .. }), "{error:?}");
}
