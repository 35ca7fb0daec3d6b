//! Text in columns.

use std::fmt::Write;

/// Rows under their headings, each column as wide as its widest cell. Columns that are empty in every row are
/// left out.
pub(super) fn columns<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let cells: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned))
        .chain(
            rows.iter()
                .map(|row| row.clone().map(|cell| on_one_line(&cell))),
        )
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
    let shown: Vec<(usize, usize)> = (0..N)
        .filter(|column| rows.iter().any(|row| !row[*column].is_empty()))
        .map(|column| (column, width(column).unwrap_or(0)))
        .collect();
    let mut text = String::new();
    for row in &cells {
        let mut line = String::new();
        for (column, width) in &shown {
            // Writing to a string does not fail.
            let _ = write!(line, "{:<width$}  ", row[*column]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Without what would break the columns or drive the terminal.
fn on_one_line(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn cells_stand_under_their_headings() {
        let rows = [
            [
                "a".to_owned(),
                String::new(),
                "größer".to_owned(),
                "x".to_owned(),
            ],
            [
                "longer".to_owned(),
                String::new(),
                "b\nc".to_owned(),
                String::new(),
            ],
        ];
        let text = "A       B       C\n\
                    a       größer  x\n\
                    longer  b c\n";
        assert_eq!(columns(["A", "EMPTY", "B", "C"], &rows), text);
    }
}
