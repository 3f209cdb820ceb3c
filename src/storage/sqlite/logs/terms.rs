//! The terms of a search as conditions in SQL. Values are bound parameters; only this program's own words are literals.

use std::ops::Bound;

use sqlx::{QueryBuilder, Sqlite};

use super::sources::Source;
use crate::domain::log::{LogField, LogId, LogSearch, LogTerm, LogType, Pattern};
use crate::storage::sqlite::columns::millis;

/// The user of a delivery. Where it belongs to a session, that is the session's user: the delivery's own `sub` may be
/// one that only the client uses.
pub(super) const USER_OF_DELIVERY: &str = "CASE WHEN deliveries.session_key IS NOT NULL THEN
             (SELECT sessions.sub FROM sessions
                 WHERE sessions.sid = deliveries.sid AND sessions.key = deliveries.session_key)
         WHEN deliveries.sub_is_public THEN deliveries.sub END";

/// Appends a condition that is true or false, and never NULL: so that `NOT` finds entries without the field.
pub(super) fn push(query: &mut QueryBuilder<Sqlite>, source: Source, search: &LogSearch) {
    match search {
        LogSearch::All(parts) => push_joined(query, source, parts, " AND ", "TRUE"),
        LogSearch::Any(parts) => push_joined(query, source, parts, " OR ", "FALSE"),
        LogSearch::Not(part) => {
            query.push("NOT (");
            push(query, source, part);
            query.push(")");
        }
        LogSearch::Term(term) => push_term(query, source, term),
    }
}

fn push_joined(
    query: &mut QueryBuilder<Sqlite>,
    source: Source,
    parts: &[LogSearch],
    by: &str,
    without: &str,
) {
    query.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            query.push(by);
        }
        push(query, source, part);
    }
    if parts.is_empty() {
        query.push(without);
    }
    query.push(")");
}

fn push_term(query: &mut QueryBuilder<Sqlite>, source: Source, term: &LogTerm) {
    let time = source.time();
    match term {
        LogTerm::Type(types) => {
            query.push(if let Some(of_all) = source.log_type() {
                if types.contains(&of_all) { "TRUE" } else { "FALSE" }.to_owned()
            } else {
                let types: Vec<_> = types.iter().map(|it| format!("'{it}'")).collect();
                format!("type IN ({})", types.join(", "))
            });
        }
        LogTerm::Id(from, to) => {
            query.push("(TRUE");
            for (bound, including, excluding) in [(from, ">=", ">"), (to, "<=", "<")] {
                let (id, compared): (&LogId, _) = match bound {
                    Bound::Included(id) => (id, including),
                    Bound::Excluded(id) => (id, excluding),
                    Bound::Unbounded => continue,
                };
                query.push(format!(" AND ({time}, id) {compared} ("));
                query.push_bind(millis(id.at())).push(", ").push_bind(id.uuid()).push(")");
            }
            query.push(")");
        }
        LogTerm::Date(since, before) => {
            query.push("(TRUE");
            for (time_of, compared) in [(since, ">="), (before, "<")] {
                if let Some(at) = time_of {
                    query.push(format!(" AND {time} {compared} ")).push_bind(millis(*at));
                }
            }
            query.push(")");
        }
        LogTerm::Text(field, pattern) => match column(source, *field) {
            Some(column) => push_pattern(query, &column, pattern),
            None => {
                query.push("FALSE");
            }
        },
    }
}

/// The SQL expression for a field; `None` if no entry of the source has it.
fn column(source: Source, field: LogField) -> Option<String> {
    let table = source.table();
    Some(match (source, field) {
        (_, LogField::ClientId) => "client_id".to_owned(),
        (_, LogField::ClientName) => format!(
            "(SELECT iif(json_valid(document), document ->> '$.client_name', NULL) FROM clients WHERE clients.client_id = {table}.client_id)"
        ),
        (Source::Written(_), LogField::UserId) => format!(
            "coalesce(audit_log.user_id, CASE WHEN {} THEN
                 (SELECT {USER_OF_DELIVERY} FROM deliveries WHERE deliveries.id = audit_log.id) END)",
            is_outcome()
        ),
        (Source::Deliveries(_), LogField::UserId) => format!("({USER_OF_DELIVERY})"),
        (Source::Written(_), LogField::Description) => {
            let descriptions = LogType::ALL.into_iter().filter_map(|it| Some((it, it.description()?)));
            let cases = descriptions.map(|(it, text)| format!("WHEN '{it}' THEN '{text}'"));
            let cases: Vec<_> = cases.collect();
            format!("(CASE type {} ELSE {} END)", cases.join(" "), of_event("description"))
        }
        (Source::Deliveries(_), LogField::Description) => {
            format!("'{}'", source.log_type().and_then(LogType::description)?)
        }
        (Source::Written(_), LogField::Ip) => of_event("ip"),
        (Source::Written(_), LogField::UserAgent) => of_event("user_agent"),
        (Source::Deliveries(_), LogField::Ip | LogField::UserAgent) => return None,
    })
}

/// A member of an entry that was written down. One that cannot be read has none: it stops no search.
fn of_event(member: &str) -> String {
    format!("(iif(json_valid(event), event ->> '$.{member}', NULL))")
}

/// Whether an entry that was written down is an outcome.
fn is_outcome() -> String {
    let outcomes = LogType::ALL.into_iter().filter(|it| it.description().is_some());
    let outcomes: Vec<_> = outcomes.map(|it| format!("'{it}'")).collect();
    format!("type IN ({})", outcomes.join(", "))
}

fn push_pattern(query: &mut QueryBuilder<Sqlite>, column: &str, pattern: &Pattern) {
    if pattern.is_anything() {
        query.push(format!("{column} IS NOT NULL"));
        return;
    }
    query.push(format!("({column} "));
    if let Some(text) = pattern.exact() {
        query.push("= ").push_bind(text.to_owned());
    } else if pattern.case_sensitive {
        query.push("GLOB ").push_bind(joined(pattern, "*", |char| match char {
            '*' | '?' | '[' => Some(['[', char, ']'].iter().collect()),
            _ => None,
        }));
    } else {
        query.push("LIKE ").push_bind(joined(pattern, "%", |char| match char {
            '%' | '_' | '\\' => Some(['\\', char].iter().collect()),
            _ => None,
        }));
        query.push(" ESCAPE '\\'");
    }
    query.push(") IS TRUE");
}

/// The pieces joined by the wildcard, with special characters in them escaped.
fn joined(pattern: &Pattern, wildcard: &str, escaped: impl Fn(char) -> Option<String>) -> String {
    let piece = |piece: &String| {
        piece.chars().map(|char| escaped(char).unwrap_or_else(|| char.to_string())).collect::<String>()
    };
    pattern.pieces.iter().map(piece).collect::<Vec<_>>().join(wildcard)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    async fn in_sqlite(text: &str, pattern: &Pattern) -> bool {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let mut query = QueryBuilder::new("SELECT ");
        push_pattern(&mut query, "text", pattern);
        query.push(" FROM (SELECT ").push_bind(text.to_owned()).push(" AS text)");
        query.build_query_scalar().fetch_one(&mut connection).await.unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sqlite_finds_what_the_pattern_says(
            pieces in prop::collection::vec(r"[aAb%_*?\[\]\\^-]{0,3}", 1..4),
            fill in r"[aAb%_*\[]{0,2}",
            case_sensitive: bool,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for text in [pieces.join(&fill), pieces.join(&fill).to_ascii_lowercase(), fill.clone()] {
                let pattern = Pattern { pieces: pieces.clone(), case_sensitive };
                prop_assert_eq!(runtime.block_on(in_sqlite(&text, &pattern)), pattern.matches(&text), "{:?}", (text, pattern));
            }
        }
    }
}
