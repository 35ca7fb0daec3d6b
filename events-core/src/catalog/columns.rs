//! Text in columns.

use std::fmt::Write;

/// A row of cells, with notes that stand below it, each on a line of its own.
pub(super) struct Row<const N: usize> {
    pub(super) cells: [String; N],
    pub(super) notes: Vec<String>,
}

/// Rows under their headings, each column as wide as its widest cell.
pub(super) fn columns<const N: usize>(headings: [&str; N], rows: &[Row<N>]) -> String {
    let rows: Vec<([String; N], &[String])> =
        std::iter::once((headings.map(str::to_owned), &[][..]))
            .chain(rows.iter().map(|row| {
                (
                    row.cells.each_ref().map(|cell| on_one_line(cell)),
                    &*row.notes,
                )
            }))
            .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let widths = rows.iter().map(|(cells, _)| cells[column].chars().count());
        widths.max().unwrap_or(0)
    });
    let mut text = String::new();
    for (cells, notes) in rows {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
        for note in notes.iter().filter(|note| !note.is_empty()) {
            text.push_str("    ");
            text.push_str(&on_one_line(note));
            text.push('\n');
        }
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
    use super::{Row, columns};

    #[test]
    fn cells_stand_under_their_headings_and_notes_under_their_row() {
        let rows = [
            Row {
                cells: ["a", "größer", "x"].map(str::to_owned),
                notes: vec![
                    String::new(),
                    "a note that is longer than the row".to_owned(),
                ],
            },
            Row {
                cells: ["longer", "b\nc", ""].map(str::to_owned),
                notes: Vec::new(),
            },
        ];
        let text = "\
A       B       C
a       größer  x
    a note that is longer than the row
longer  b c
";
        assert_eq!(columns(["A", "B", "C"], &rows), text);
    }
}
