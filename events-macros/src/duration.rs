//! Durations as text: `500ms`, `30s`, `5m`, `6h`, `2d`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

/// The forms, as errors list them.
const FORMS: &str = "\"500ms\", \"30s\", \"5m\", \"6h\" or \"2d\"";

/// The duration that `text` names.
pub(crate) fn parse(text: &LitStr) -> Result<Duration> {
    let value = text.value();
    read(&value).map_err(|fault| {
        let message = match fault {
            Fault::Form => format!("`{value}` is not a duration: write {FORMS}"),
            Fault::Unit(unit) => format!("`{unit}` is not a unit of time: write {FORMS}"),
            Fault::Zero => {
                format!("a duration of zero has no effect: leave the option out, or write {FORMS}")
            }
            Fault::Range => {
                format!("`{value}` is longer than can be counted in milliseconds: write {FORMS}")
            }
        };
        Error::new(text.span(), message)
    })
}

/// The expression that makes the duration.
pub(crate) fn expand(duration: Duration) -> TokenStream {
    let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
    if milliseconds == 0 {
        return quote!(::core::time::Duration::from_secs(#seconds));
    }
    let nanoseconds = duration.subsec_nanos();
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

#[derive(Debug, PartialEq)]
enum Fault<'a> {
    Form,
    Unit(&'a str),
    Zero,
    Range,
}

fn read(text: &str) -> core::result::Result<Duration, Fault<'_>> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || unit.is_empty() {
        return Err(Fault::Form);
    }
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(Fault::Unit(unit)),
    };
    let number: u64 = number.parse().map_err(|_| Fault::Range)?;
    match number.checked_mul(factor) {
        Some(0) => Err(Fault::Zero),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err(Fault::Range),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Fault, read};

    #[test]
    fn reads_every_unit() {
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(read("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(read("6h"), Ok(Duration::from_hours(6)));
        assert_eq!(read("2d"), Ok(Duration::from_hours(48)));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "s", "10", "-5s", "1.5h", "five minutes"] {
            assert_eq!(
                read(text),
                if text == "1.5h" {
                    Err(Fault::Unit(".5h"))
                } else {
                    Err(Fault::Form)
                }
            );
        }
        assert_eq!(read("3w"), Err(Fault::Unit("w")));
        assert_eq!(read("1h30m"), Err(Fault::Unit("h30m")));
        assert_eq!(read("0s"), Err(Fault::Zero));
        assert_eq!(read("99999999999999999999s"), Err(Fault::Range));
        assert_eq!(read("18446744073709551615d"), Err(Fault::Range));
    }
}
