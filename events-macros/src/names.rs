//! The rules for stored names.

use syn::{Error, LitStr, Result};

/// The name of an event: what payloads and patterns use.
pub(crate) fn event(name: &LitStr) -> Result<()> {
    let text = name.value();
    let fault = fault(&text, false);
    refuse(name, fault, "order.paid")
}

/// A pattern of event names, where `*` stands for any characters.
pub(crate) fn pattern(name: &LitStr) -> Result<()> {
    let text = name.value();
    refuse(name, fault(&text, true), "order.*")
}

/// The name of a listener, a queue: one word.
pub(crate) fn word(name: &LitStr, example: &str) -> Result<()> {
    let text = name.value();
    let bad = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"_-.:".contains(*c));
    let fault = match bad {
        Some(bad) => Some(format!(
            "`{}` is not a letter, a digit, `_`, `-`, `.` or `:`",
            bad.escape_debug()
        )),
        None if text.is_empty() => Some("it is empty".to_owned()),
        None => None,
    };
    refuse(name, fault, example)
}

fn refuse(name: &LitStr, fault: Option<String>, example: &str) -> Result<()> {
    match fault {
        Some(fault) => {
            let text = name.value();
            let message =
                format!("{text:?} cannot be a name: {fault}; write for instance {example:?}");
            Err(Error::new(name.span(), message))
        }
        None => Ok(()),
    }
}

fn fault(text: &str, wildcard: bool) -> Option<String> {
    let allowed = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c) || (wildcard && c == '*')
    };
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        let bad = bad.escape_debug();
        let allowed = if wildcard { ", `.` or `*`" } else { " or `.`" };
        return Some(format!(
            "`{bad}` is not a lowercase ASCII letter, a digit, `_`, `-`{allowed}"
        ));
    }
    if text.split('.').any(str::is_empty) {
        return Some("a part between two dots is empty".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn names_are_lowercase_words_between_dots() {
        for name in ["order", "order.paid", "a-b.c_d.e2"] {
            assert_eq!(fault(name, false), None, "{name}");
        }
        for name in [
            "",
            "Order",
            "order paid",
            "order..paid",
            ".order",
            "order.",
            "order.*",
            "überweisung",
        ] {
            assert!(fault(name, false).is_some(), "{name}");
        }
    }

    #[test]
    fn patterns_may_have_stars() {
        for pattern in ["*", "order.*", "*.failed", "order.paid"] {
            assert_eq!(fault(pattern, true), None, "{pattern}");
        }
        assert!(fault("order..*", true).is_some());
    }
}
