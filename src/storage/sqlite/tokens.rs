//! The `api_tokens` table.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::columns::{Columns, millis, to_json};
use super::rows::API_TOKENS;
use crate::domain::access::{ApiToken, SourceLimit, TokenHash, TokenId};
use crate::storage::{FoundToken, Result, TokenStore};

#[async_trait]
impl TokenStore for SqliteStore {
    async fn create_token(&self, token: &ApiToken, hash: &TokenHash) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO api_tokens
                 (id, hash, name, scopes, sources, created_at, expires_at, last_used_at, revoked_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(token.id.0)
        .bind(hash.0.as_slice())
        .bind(token.name.as_str())
        .bind(token.scopes.to_string())
        .bind(token.sources.sources().map(to_json))
        .bind(millis(token.created_at))
        .bind(token.expires_at.map(millis))
        .bind(token.last_used_at.map(millis))
        .bind(token.revoked_at.map(millis))
        .execute(&mut *write)
        .await?;
        write.commit().await
    }

    async fn token(&self, hash: &TokenHash) -> Result<Option<FoundToken>> {
        let row = sqlx::query("SELECT * FROM api_tokens WHERE hash = ?")
            .bind(hash.0.as_slice())
            .fetch_optional(&self.tokens)
            .await?;
        let found = |row| Ok(FoundToken { token: read(row)?, hash: TokenHash(Columns(row).bytes("hash")?) });
        row.as_ref().map(|row| self.rows.one(&API_TOKENS, row, found)).transpose()
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY id").fetch_all(&self.reader).await?;
        self.rows.readable(&API_TOKENS, &rows, read)
    }

    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<ApiToken>> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING *",
        )
        .bind(millis(now))
        .bind(id.0)
        .fetch_optional(&mut *write)
        .await?;
        // Committed first: the token is revoked even if its row cannot be read.
        write.commit().await?;
        row.as_ref().map(|row| self.rows.one(&API_TOKENS, row, read)).transpose()
    }

    async fn note_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()> {
        let mut write = self.write().await?;
        for (id, at) in uses {
            sqlx::query(
                "UPDATE api_tokens SET last_used_at = ?1
                 WHERE id = ?2 AND (last_used_at IS NULL OR last_used_at < ?1)",
            )
            .bind(millis(*at))
            .bind(id.0)
            .execute(&mut *write)
            .await?;
        }
        write.commit().await
    }
}

fn read(row: &SqliteRow) -> Result<ApiToken> {
    let columns = Columns(row);
    Ok(ApiToken {
        id: TokenId(columns.plain::<Uuid>("id")?),
        name: columns.parsed("name")?,
        scopes: columns.parsed("scopes")?,
        // An unreadable list is an error, so that it never becomes a token without a limit.
        sources: columns.json_option("sources")?.map_or(SourceLimit::Any, SourceLimit::Only),
        created_at: columns.time("created_at")?,
        expires_at: columns.time_option("expires_at")?,
        last_used_at: columns.time_option("last_used_at")?,
        revoked_at: columns.time_option("revoked_at")?,
    })
}
