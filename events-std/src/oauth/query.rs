//! What stands in the addresses of the routes. Nobody has proven who wrote it.

use super::refusal::Refusal;

/// What came to the callback.
pub(super) struct Answered {
    pub(super) state: Option<String>,
    pub(super) code: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) error: Option<String>,
}

impl Answered {
    /// What the query of a callback says.
    pub(super) fn of(query: &str) -> Result<Self, Refusal> {
        Ok(Self {
            state: parameter(query, "state")?,
            code: parameter(query, "code")?,
            issuer: parameter(query, "iss")?,
            error: parameter(query, "error")?,
        })
    }
}

/// The value of a parameter, which must not stand there twice (RFC 6749, 3.1).
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::Repeated),
        (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use form_urlencoded::Serializer;
    use proptest::prelude::*;

    use super::Answered;

    proptest! {
        #[test]
        fn no_query_panics(query in ".{0,200}", odd in "[&=%+a-z0-9]{0,60}") {
            let _ = Answered::of(&query);
            let _ = Answered::of(&odd);
        }

        /// Whatever stands beside it, and however it is written.
        #[test]
        fn a_value_is_read_as_it_was_meant(
            state in ".{0,50}",
            others in prop::collection::vec(("[a-z]{6,9}", ".{0,9}"), 0..5),
        ) {
            let query = |states: usize| {
                let mut query = Serializer::new(String::new());
                query.extend_pairs(&others);
                query.extend_pairs(vec![("state", &state); states]);
                query.finish()
            };
            prop_assert_eq!(Answered::of(&query(0)).unwrap().state, None);
            prop_assert_eq!(Answered::of(&query(1)).unwrap().state, Some(state.clone()));
            prop_assert!(Answered::of(&query(2)).is_err(), "it is not known which is meant");
        }
    }
}
