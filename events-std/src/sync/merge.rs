//! Checkpoints: how those of a run become one cursor, which never goes back.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Two checkpoints that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a checkpoint that is {0} cannot be compared with one that is {1}: use numbers or texts throughout, or write `merge_checkpoints` for the provider"
)]
pub struct MixedCheckpoints(&'static str, &'static str);

/// The later of two checkpoints: of two numbers the greater, of two texts the one that sorts last by its bytes, as
/// times in RFC 3339 and one time zone do. The default of
/// [`ScheduledSync::merge_checkpoints`](crate::ScheduledSync::merge_checkpoints).
///
/// ```
/// use events_std::latest_checkpoint;
/// use serde_json::json;
///
/// assert_eq!(latest_checkpoint(json!(7), json!(12)), Ok(json!(12)));
/// assert_eq!(latest_checkpoint(json!("2026-01-02"), json!("2025-12-31")), Ok(json!("2026-01-02")));
/// assert!(latest_checkpoint(json!(7), json!("12")).is_err());
/// ```
///
/// # Errors
///
/// If they are of two types, or of one that has no order here: booleans, lists, objects.
pub fn latest_checkpoint(a: Value, b: Value) -> Result<Value, MixedCheckpoints> {
    let order = match (&a, &b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => return Err(MixedCheckpoints(kind(&a), kind(&b))),
    };
    Ok(if order == Ordering::Less { b } else { a })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Compares exactly: an integer beyond what a float holds is not rounded, so that the order is one.
fn compare(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => with_float(a, b),
        (None, Some(b)) => with_float(b, a).reverse(),
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

fn integer(number: &Number) -> Option<i128> {
    let signed = number.as_i64().map(i128::from);
    signed.or_else(|| number.as_u64().map(i128::from))
}

/// JSON knows no float that is not finite.
fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

fn with_float(integer: i128, number: &Number) -> Ordering {
    let float = float(number);
    let whole = float.floor();
    // Beyond the integers that JSON holds here this saturates, which keeps the order.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, as it should"
    )]
    let below = whole as i128;
    match integer.cmp(&below) {
        Ordering::Equal if float > whole => Ordering::Less,
        order => order,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn number() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(|n| json!(n)),
            any::<u64>().prop_map(|n| json!(n)),
            (-1.0e20..1.0e20).prop_map(|n: f64| json!(n)),
            // Near each other, and at the edge of what a float can tell apart.
            (0..4_i64).prop_map(|n| json!((1_i64 << 53) + n)),
            (0..4_i32).prop_map(|n| json!(9_007_199_254_740_992.0 + f64::from(n) / 2.0)),
        ]
    }

    fn of_one_kind() -> impl Strategy<Value = Vec<Value>> {
        prop_oneof![
            prop::collection::vec(number(), 3..12),
            prop::collection::vec(".{0,6}".prop_map(Value::from), 3..12),
        ]
    }

    fn fold(values: &[Value]) -> Value {
        let merge = |a: Value, b: &Value| latest_checkpoint(a, b.clone()).expect("one kind");
        values[1..].iter().fold(values[0].clone(), merge)
    }

    proptest! {
        #[test]
        fn it_is_associative_so_that_it_can_be_folded_in_chunks(values in of_one_kind(), cut in 1_usize..11) {
            let cut = cut.min(values.len() - 1);
            let (first, second) = values.split_at(cut);
            let in_chunks = latest_checkpoint(fold(first), fold(second)).expect("one kind");
            prop_assert_eq!(in_chunks, fold(&values));
        }

        #[test]
        fn it_is_one_of_both_and_not_before_either(a in number(), b in number()) {
            let later = latest_checkpoint(a.clone(), b.clone()).expect("numbers");
            prop_assert!(later == a || later == b);
            for other in [a, b] {
                prop_assert_eq!(latest_checkpoint(later.clone(), other), Ok(later.clone()));
            }
        }
    }

    #[test]
    fn what_is_of_two_kinds_is_an_error() {
        let error = latest_checkpoint(json!(1), json!("1")).expect_err("mixed");
        assert!(error.to_string().contains("a number"), "{error}");
        for value in [json!(null), json!(true), json!([1]), json!({})] {
            assert!(latest_checkpoint(value.clone(), value).is_err());
        }
    }

    #[test]
    fn an_integer_is_not_rounded_to_a_float() {
        let (big, bigger) = (
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992.0),
        );
        assert_eq!(latest_checkpoint(bigger, big.clone()), Ok(big));
    }
}
