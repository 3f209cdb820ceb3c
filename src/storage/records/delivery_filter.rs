//! Which deliveries a redelivery job is about (`redelivery_jobs.filter`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::delivery::{DeliveryFilter, State};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiator;

/// A filter. Times are RFC 3339.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct DeliveryFilterRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    states: Option<BTreeSet<State>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initiator: Option<Initiator>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_after: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_before: Option<Timestamp>,
}

impl From<DeliveryFilter> for DeliveryFilterRecord {
    fn from(filter: DeliveryFilter) -> Self {
        let DeliveryFilter { client_id, states, initiator, created_after, created_before } = filter;
        Self { client_id, states, initiator, created_after, created_before }
    }
}

impl From<DeliveryFilterRecord> for DeliveryFilter {
    fn from(record: DeliveryFilterRecord) -> Self {
        let DeliveryFilterRecord { client_id, states, initiator, created_after, created_before } = record;
        Self { client_id, states, initiator, created_after, created_before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::records::golden::round_trip;

    #[test]
    fn the_stored_form_is_pinned() {
        let filter = DeliveryFilter {
            client_id: Some("shop".parse().unwrap()),
            states: Some(State::ALL.into()),
            initiator: Some(Initiator::RpLogout),
            created_after: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
            created_before: Some("2026-02-03T04:05:06Z".parse().unwrap()),
        };
        for (name, filter) in
            [("delivery_filter", filter), ("delivery_filter_without_conditions", DeliveryFilter::default())]
        {
            let read = round_trip(name, &DeliveryFilterRecord::from(filter.clone()));
            assert_eq!(DeliveryFilter::from(read), filter);
        }
    }
}
