//! Name patterns: `*` stands for any characters, dots too.

/// Whether `name` matches `pattern`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name) in [
            ("integration.*", "integration.created"),
            ("*.failed", "sync.item.failed"),
            ("*", "anything"),
            ("a*b*c", "a.b.c"),
            ("a*b*c", "abc"),
            ("exact", "exact"),
            ("a**b", "ab"),
            ("*a*", "banana"),
        ] {
            assert!(matches(pattern, name), "{pattern} should match {name}");
        }
    }

    #[test]
    fn what_stands_around_the_stars_must_be_there() {
        for (pattern, name) in [
            ("integration.*", "integrations"),
            ("*.failed", "failed"),
            ("exact", "exactly"),
            ("", "x"),
            ("ab*ba", "aba"),
            ("a*b*c", "a.c.b"),
        ] {
            assert!(!matches(pattern, name), "{pattern} should not match {name}");
        }
    }
}
