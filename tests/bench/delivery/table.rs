//! Figures for people: aligned columns under a heading.

use anstyle::Style;

/// A heading.
const BOLD: Style = Style::new().bold();

/// Beside the point.
const DIM: Style = Style::new().dimmed();

/// A section's figures. The first column is text, the others are numbers.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub fn new<const N: usize>(title: impl Into<String>, header: [&str; N]) -> Self {
        let header = header.map(str::to_owned).to_vec();
        Self { title: title.into(), rows: vec![header], notes: Vec::new() }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }

    /// Something to know about it, below.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "\n{BOLD}{}{BOLD:#}", self.title)?;
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        for (index, row) in self.rows.iter().enumerate() {
            // A heading over nothing, or none.
            if index == 0 && (self.rows.len() == 1 || row.iter().all(String::is_empty)) {
                continue;
            }
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                // What explains the last column is long, and has nothing to be aligned with.
                if column == 0 || columns == 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            match index {
                0 => writeln!(f, "  {DIM}{}{DIM:#}", line.trim_end())?,
                _ => writeln!(f, "  {}", line.trim_end())?,
            }
        }
        for note in &self.notes {
            writeln!(f, "  {DIM}{note}{DIM:#}")?;
        }
        Ok(())
    }
}

/// A whole number with its thousands apart.
pub fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let grouped: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    grouped.join(",")
}
