//! Text tables with aligned columns.

use std::fmt::Write as _;

use crate::printable;

/// Aligns the columns of rows; the first row is the heading.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    // Escaped first, because escapes change the width.
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| printable::text(cell).into_owned())).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
