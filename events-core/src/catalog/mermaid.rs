//! The catalog as a flowchart.

use std::fmt::Write;

use super::Catalog;

pub(super) fn mermaid(catalog: &Catalog) -> String {
    let mut chart = "flowchart LR\n".to_owned();
    for (index, event) in catalog.events.iter().enumerate() {
        line(
            &mut chart,
            format_args!("e{index}[\"{}\"]", escaped(event.label())),
        );
    }
    for (index, listener) in catalog.listeners.iter().enumerate() {
        line(
            &mut chart,
            format_args!("l{index}[\"{}\"]", escaped(&listener.name)),
        );
        if let Some(queue) = &listener.queue {
            let name = escaped(&queue.name);
            line(
                &mut chart,
                format_args!("q{index}[(\"queue {name}\")] -.-> l{index}"),
            );
        }
    }
    for (index, event) in catalog.events.iter().enumerate() {
        for hearing in &event.queued {
            line(&mut chart, format_args!("e{index} -.-> q{}", hearing.index));
        }
        for (position, hearing) in event.inline.iter().enumerate() {
            let order = position + 1;
            line(
                &mut chart,
                format_args!("e{index} -->|{order}| l{}", hearing.index),
            );
        }
    }
    chart
}

fn line(chart: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(chart, "    {text}");
}

/// Text between quotes in a node: whatever could end it, or mean something to Mermaid, Markdown or HTML, becomes
/// a character entity, which Mermaid writes `#35;`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || " _-.:,/".contains(c) {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_stay_readable() {
        assert_eq!(escaped("shop::mail::on_paid"), "shop::mail::on_paid");
        assert_eq!(escaped("größer, a/b"), "größer, a/b");
    }

    #[test]
    fn nothing_ends_the_text_or_means_something() {
        assert_eq!(
            escaped("\"]; <b>`x`</b> & #1\n*"),
            "#34;#93;#59; #60;b#62;#96;x#96;#60;/b#62; #38; #35;1#10;#42;"
        );
    }
}
