//! The `subject_end_parts` table: what ends did in transactions after the one that accepted them.

use sqlx::{SqliteConnection, SqlitePool};

use super::number;
use crate::domain::delivery::DeliverySummary;
use crate::domain::session::EndNumber;
use crate::storage::records::DeliverySummaryRecord;
use crate::storage::sqlite::columns::{Columns, to_json};
use crate::storage::sqlite::rows::{Rows, SUBJECT_END_PARTS};
use crate::storage::{Part, Result};

/// Stores what was done for ends.
pub(in crate::storage::sqlite) async fn insert_parts(
    connection: &mut SqliteConnection,
    parts: &[(EndNumber, &Part)],
) -> Result<()> {
    let row = |(end, part): &(EndNumber, &Part)| {
        let deliveries: Vec<_> = part.deliveries.iter().map(DeliverySummaryRecord::from).collect();
        (number(*end), to_json(&part.sessions), to_json(&deliveries))
    };
    sqlx::query(
        "INSERT OR ROLLBACK INTO subject_end_parts (end_number, sessions, deliveries)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
    )
    .bind(to_json(&parts.iter().map(row).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Everything that was done for an end, in order.
pub(in crate::storage::sqlite) async fn parts(
    reader: &SqlitePool,
    rows: &Rows,
    end: EndNumber,
) -> Result<Part> {
    let found = sqlx::query(
        "SELECT id, sessions, deliveries FROM subject_end_parts WHERE end_number = ? ORDER BY id",
    )
    .bind(number(end))
    .fetch_all(reader)
    .await?;
    let mut all = Part::default();
    for row in &found {
        let read = |row| {
            let columns = Columns(row);
            let deliveries: Vec<DeliverySummaryRecord<'static>> = columns.json("deliveries")?;
            let deliveries = deliveries.into_iter().map(DeliverySummary::from).collect();
            Ok(Part { sessions: columns.json("sessions")?, deliveries })
        };
        for part in rows.readable(&SUBJECT_END_PARTS, [row], read)? {
            all.sessions.extend(part.sessions);
            all.deliveries.extend(part.deliveries);
        }
        // A part is taken apart at once, and an end can have thousands of them.
        tokio::task::yield_now().await;
    }
    Ok(all)
}
