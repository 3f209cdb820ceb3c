//! `POST /api/v2/clients/{id}/test`: one logout token for a session that does not exist, and what came of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::delivery::{ProbeError, Prober};
use crate::domain::client::LogoutUri;
use crate::domain::delivery::State as DeliveryState;
use crate::domain::ids::ClientId;
use crate::domain::plan::Registration;
use crate::http::api::deliveries::{AttemptView, attempt_view};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::registry::ClientRegistry;

/// What came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = TestedClient)]
pub(super) struct ProbeView {
    client_id: ClientId,
    backchannel_logout_uri: LogoutUri,
    /// What a delivery would be after this attempt: `pending` if it would be tried again.
    state: DeliveryState,
    attempt: AttemptView,
    /// The header and the claims that were sent. Never the token: it could be replayed.
    #[schema(value_type = Object)]
    header: Value,
    #[schema(value_type = Object)]
    claims: Value,
}

/// Sends a client one logout token, for a session that does not exist.
///
/// It is an attempt as any other, outside the queue; nothing of it is stored. Two of a client may be under way at a
/// time, and 16 in all; one more is `too_many_requests`.
#[utoipa::path(
    post,
    path = "/api/v2/clients/{id}/test",
    tag = "clients",
    operation_id = "testClient",
    params(("id" = ClientId, Path, description = "The client.")),
    responses(
        (status = 200, description = "What came of it.", body = ProbeView),
        (status = 404, description = "`inexistent_client`: there is none.", body = Error),
        (status = 409, description = "`client_not_subscribed`: it has no logout URI. `no_signing_key`: no key signs \
            its algorithm now.", body = Error),
    )
)]
pub(super) async fn probe(
    State(registry): State<ClientRegistry>,
    State(prober): State<Prober>,
    ApiPath(client_id): ApiPath<ClientId>,
) -> Result<Json<ProbeView>, ApiError> {
    let record = registry.client(&client_id).await?.ok_or_else(ApiError::inexistent_client)?;
    let registration = Registration { client: Arc::new(record.client), subscribed: record.subscribed };
    let probed = prober.probe(registration.client).await.map_err(|error| match error {
        ProbeError::Unsubscribed => ApiError::client_without_uri(),
        ProbeError::NoKey(alg) => ApiError::no_signing_key(alg),
        ProbeError::Failed => ApiError::signing_failed(),
        ProbeError::ClientBusy | ProbeError::Busy => ApiError::too_many_tests(&error.to_string()),
    })?;
    Ok(Json(ProbeView {
        client_id,
        backchannel_logout_uri: probed.uri,
        state: probed.state,
        attempt: attempt_view(probed.attempt),
        header: probed.header,
        claims: probed.claims,
    }))
}
