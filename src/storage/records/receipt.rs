//! The answer to an event (`events.receipt`), and the deliveries of a part of an end (`subject_end_parts.deliveries`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::delivery::{DeliverySummary, State};
use crate::domain::ids::{ClientId, DeliveryId, Sid};
use crate::domain::receipt::Receipt;

/// What was answered to an event.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct ReceiptRecord<'r> {
    id: Cow<'r, str>,
    sessions: Cow<'r, [Sid]>,
    deliveries: Vec<DeliverySummaryRecord<'r>>,
}

/// A delivery as an answer lists it.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct DeliverySummaryRecord<'r> {
    id: DeliveryId,
    client_id: Cow<'r, ClientId>,
    state: State,
}

impl<'r> From<&'r Receipt> for ReceiptRecord<'r> {
    fn from(Receipt { id, sessions, deliveries }: &'r Receipt) -> Self {
        Self {
            id: id.into(),
            sessions: sessions.into(),
            deliveries: deliveries.iter().map(DeliverySummaryRecord::from).collect(),
        }
    }
}

impl From<ReceiptRecord<'_>> for Receipt {
    fn from(ReceiptRecord { id, sessions, deliveries }: ReceiptRecord<'_>) -> Self {
        Self {
            id: id.into_owned(),
            sessions: sessions.into_owned(),
            deliveries: deliveries.into_iter().map(DeliverySummary::from).collect(),
        }
    }
}

impl<'r> From<&'r DeliverySummary> for DeliverySummaryRecord<'r> {
    fn from(DeliverySummary { id, client_id, state }: &'r DeliverySummary) -> Self {
        Self { id: *id, client_id: Cow::Borrowed(client_id), state: *state }
    }
}

impl From<DeliverySummaryRecord<'_>> for DeliverySummary {
    fn from(DeliverySummaryRecord { id, client_id, state }: DeliverySummaryRecord<'_>) -> Self {
        Self { id, client_id: client_id.into_owned(), state }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::records::golden::round_trip;

    #[test]
    fn the_stored_form_is_pinned() {
        let delivery = |(number, state)| DeliverySummary {
            id: DeliveryId(Uuid::from_u128(number)),
            client_id: "shop".parse().unwrap(),
            state,
        };
        let receipt = Receipt {
            id: "event-1".to_owned(),
            sessions: vec!["s-1".parse().unwrap(), "s-2".parse().unwrap()],
            deliveries: (1..).zip(State::ALL).map(delivery).collect(),
        };
        let read = round_trip("receipt", &ReceiptRecord::from(&receipt));
        assert_eq!(Receipt::from(read), receipt);
        let empty = Receipt::new("event-2".to_owned());
        let read = round_trip("receipt_without_deliveries", &ReceiptRecord::from(&empty));
        assert_eq!(Receipt::from(read), empty);
    }
}
