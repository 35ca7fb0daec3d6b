//! Secrets in texts: in what an error says, in the strings of a body, in an endpoint.

use super::REDACTED;
use super::names::Names;

/// What stands around an address too: quotes, so that JSON that is cut off is read as well.
fn is_around(c: char) -> bool {
    c.is_whitespace() || "\"'`<>\\|".contains(c)
}

/// What stands between words, and may stand within an address.
fn is_between(c: char) -> bool {
    "(){}[],;".contains(c)
}

/// What the next word is.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Plain,
    /// The value of a secret name.
    Secret,
    /// What follows the name of a scheme of `Authorization`.
    Credentials,
}

/// A text without secrets, as far as its own words tell.
pub(super) fn scrub(text: &str, names: &Names) -> String {
    let mut clean = String::with_capacity(text.len());
    let (mut next, mut last) = (Next::Plain, "");
    for piece in text.split_inclusive(is_around) {
        let word = piece.trim_end_matches(is_around);
        if word.contains("://") || word.contains('?') {
            if next == Next::Secret {
                clean.push_str(REDACTED);
            } else {
                clean.push_str(&address(word, names));
            }
            (next, last) = (Next::Plain, "");
        } else {
            for piece in word.split_inclusive(is_between) {
                let word = piece.trim_end_matches(is_between);
                if !word.is_empty() {
                    let (said, then) = read(word, last, next, names);
                    clean.push_str(&said);
                    (next, last) = (then, word);
                }
                clean.push_str(&piece[word.len()..]);
            }
        }
        clean.push_str(&piece[word.len()..]);
    }
    clean
}

/// What is kept of a word, and what follows it.
fn read(word: &str, last: &str, is: Next, names: &Names) -> (String, Next) {
    let ends_name = |word: &str| word.ends_with([':', '=']);
    if word == REDACTED.trim_matches(['[', ']']) {
        return (word.to_owned(), Next::Plain);
    }
    if word.chars().all(|c| matches!(c, ':' | '=' | '>')) {
        let names_secret = is == Next::Secret || names.is_secret(last);
        let then = if names_secret {
            Next::Secret
        } else {
            Next::Plain
        };
        return (word.to_owned(), then);
    }
    let scheme = is_scheme(word);
    if is == Next::Secret {
        // `Authorization: Bearer abc`: the secret comes behind the scheme.
        let then = if scheme { Next::Secret } else { Next::Plain };
        let said = if scheme { word } else { REDACTED };
        return (said.to_owned(), then);
    }
    if is == Next::Credentials && looks_random(word) {
        return (REDACTED.to_owned(), Next::Plain);
    }
    if scheme {
        return (word.to_owned(), Next::Credentials);
    }
    if ends_name(word) && names.is_secret(word) {
        return (word.to_owned(), Next::Secret);
    }
    if word.contains(['=', ':']) {
        return (pairs(word, names), Next::Plain);
    }
    (word.to_owned(), Next::Plain)
}

fn is_scheme(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=']);
    [
        "bearer",
        "basic",
        "digest",
        "hawk",
        "hmac",
        "negotiate",
        "sso-key",
    ]
    .iter()
    .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether a word behind a scheme may be its credentials rather than prose.
fn looks_random(word: &str) -> bool {
    word.len() >= 8 || word.chars().any(|c| !c.is_alphabetic())
}

/// `name=value&name=value` and `name:value`, of which the values of secret names are replaced.
fn pairs(word: &str, names: &Names) -> String {
    let clean = |pair: &str| match pair.find(['=', ':']) {
        Some(at) if at + 1 < pair.len() && names.is_secret(&pair[..at]) => {
            format!("{}{REDACTED}", &pair[..=at])
        }
        _ => pair.to_owned(),
    };
    word.split('&').map(clean).collect::<Vec<_>>().join("&")
}

/// An address without the values of its query, what stands behind `#`, and the name and password before its host.
pub(super) fn address(address: &str, names: &Names) -> String {
    let (rest, fragment) = match address.split_once('#') {
        Some((rest, _)) => (rest, "#[redacted]"),
        None => (address, ""),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let mut clean = host(path).unwrap_or_else(|| path.to_owned());
    if !path.contains("://") {
        clean = pairs(&clean, names);
    }
    if let Some(query) = query {
        clean.push('?');
        let names: Vec<_> = query
            .split(['&', ';'])
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) => format!("{name}={REDACTED}"),
                // Without a name it is all value.
                None if pair.is_empty() => String::new(),
                None => REDACTED.to_owned(),
            })
            .collect();
        clean.push_str(&names.join("&"));
    }
    clean.push_str(fragment);
    clean
}

/// `https://name:password@host/..` without name and password.
fn host(path: &str) -> Option<String> {
    let (scheme, rest) = path.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some(format!("{scheme}://{REDACTED}{}", &rest[at..]))
}
