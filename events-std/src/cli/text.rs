//! Text for a terminal.

use chrono::TimeDelta;
use comfy_table::{CellAlignment, Table, presets};

/// A column's heading; numbers stand to the right.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// Rows under their headings.
pub(super) fn table<const N: usize>(
    columns: [Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.map(|column| match column {
        Column::Text(heading) | Column::Number(heading) => heading,
    }));
    for row in rows {
        table.add_row(row.map(|cell| on_one_line(&cell)));
    }
    for (column, of) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        if let Column::Number(_) = of {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text from outside, without what would drive the terminal or turn its direction.
pub(super) fn on_one_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(' '),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                safe.extend(c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    safe
}

/// The first line, at most so many characters of it.
pub(super) fn in_short(text: &str, characters: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= characters && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let kept: String = line.chars().take(characters.saturating_sub(2)).collect();
    format!("{kept}..")
}

/// Each line of a text, moved to the right.
pub(super) fn indented(text: &str) -> String {
    let mut moved = String::new();
    for line in text.lines() {
        moved.push_str("    ");
        moved.push_str(&on_one_line(line));
        moved.push('\n');
    }
    moved
}

/// How long something is ago, roughly.
pub(super) fn age(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number with its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The reason for which a job is parked, as people read it: also one that only a newer program knows.
pub(super) fn reason(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{Column, age, in_short, on_one_line, table};

    #[test]
    fn words_stand_to_the_left_and_numbers_to_the_right() {
        let rows = [["größer", "7"], ["a\nb", "12345"]].map(|row| row.map(str::to_owned));
        let text = table([Column::Text("WORD"), Column::Number("N")], rows);
        assert_eq!(text, "WORD        N\ngrößer      7\na b     12345\n");
    }

    #[test]
    fn nothing_from_outside_drives_the_terminal() {
        assert_eq!(on_one_line("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }

    #[test]
    fn what_is_left_out_is_told() {
        assert_eq!(in_short("short", 10), "short");
        assert_eq!(in_short("short\n", 10), "short");
        assert_eq!(in_short("first\nsecond", 10), "first..");
        assert_eq!(in_short("a long first line", 10), "a long f..");
    }

    #[test]
    fn ages_are_rough() {
        assert_eq!(age(TimeDelta::seconds(-5)), "0s");
        assert_eq!(age(TimeDelta::seconds(119)), "119s");
        assert_eq!(age(TimeDelta::minutes(119)), "119m");
        assert_eq!(age(TimeDelta::hours(47)), "47h");
        assert_eq!(age(TimeDelta::days(400)), "400d");
    }
}
