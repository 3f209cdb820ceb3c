//! Fair turns: how many deliveries of each client the next lease takes.

use crate::domain::ids::ClientId;
use crate::storage::DueClient;

/// Shares `free` slots among the clients with deliveries due: each in turn gets one more, until the slots
/// run out or every client is at its cap. A client with a long queue gets no more than one with a short
/// one, and a client at its cap (slow or dead) gets none at all.
pub(super) fn fair_shares(due: &[DueClient], free: usize, cap_per_client: u32) -> Vec<(ClientId, u32)> {
    let mut open: Vec<(&DueClient, u32)> = due
        .iter()
        .map(|client| (client, cap_per_client.saturating_sub(client.in_flight)))
        .filter(|(_, room)| *room > 0)
        .collect();
    // From the least room to the most, each takes an equal part of what is left: what one cannot use is
    // the others'. The sort is stable: where slots are short, who waited longest is served.
    open.sort_by_key(|(_, room)| *room);
    let mut free = u32::try_from(free).unwrap_or(u32::MAX);
    let mut shares = Vec::with_capacity(open.len());
    for (index, (client, room)) in open.iter().enumerate() {
        let others = u32::try_from(open.len() - index).unwrap_or(u32::MAX);
        let share = free.div_ceil(others).min(*room);
        if share == 0 {
            break;
        }
        free -= share;
        shares.push((client.client_id.clone(), share));
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(in_flight: &[u32]) -> Vec<DueClient> {
        let client = |(index, in_flight): (usize, &u32)| DueClient {
            client_id: format!("c{index}").parse().unwrap(),
            in_flight: *in_flight,
        };
        in_flight.iter().enumerate().map(client).collect()
    }

    fn amounts(shares: &[(ClientId, u32)]) -> Vec<(&str, u32)> {
        shares.iter().map(|(id, share)| (id.as_str(), *share)).collect()
    }

    #[test]
    fn slots_are_shared_evenly_and_what_one_cannot_use_is_the_others() {
        assert_eq!(amounts(&fair_shares(&due(&[0, 0]), 10, 16)), [("c0", 5), ("c1", 5)]);
        assert_eq!(amounts(&fair_shares(&due(&[0, 14]), 10, 16)), [("c1", 2), ("c0", 8)]);
        assert_eq!(amounts(&fair_shares(&due(&[0, 16]), 10, 16)), [("c0", 10)]);
        assert_eq!(amounts(&fair_shares(&due(&[0, 0, 0]), 2, 16)), [("c0", 1), ("c1", 1)]);
        assert!(fair_shares(&due(&[0]), 0, 16).is_empty());
    }

    proptest! {
        #[test]
        fn no_cap_is_exceeded_and_no_slot_wasted(
            in_flight in prop::collection::vec(0_u32..20, 0..30), free in 0_usize..100, cap in 1_u32..20,
        ) {
            let shares = fair_shares(&due(&in_flight), free, cap);
            let total: u32 = shares.iter().map(|(_, share)| share).sum();
            let room: u32 = in_flight.iter().map(|it| cap.saturating_sub(*it)).sum();
            prop_assert_eq!(total, room.min(u32::try_from(free).unwrap()));
            for (id, share) in &shares {
                let index: usize = id.as_str()[1..].parse().unwrap();
                prop_assert!(in_flight[index] + share <= cap);
            }
        }

        #[test]
        fn nobody_gets_more_than_one_above_another_that_has_room(
            in_flight in prop::collection::vec(0_u32..20, 1..30), free in 0_usize..100,
        ) {
            let cap = 20;
            let shares = fair_shares(&due(&in_flight), free, cap);
            let share_of = |index: usize| {
                let id = format!("c{index}");
                shares.iter().find(|(it, _)| it.as_str() == id).map_or(0, |(_, share)| *share)
            };
            for (index, busy) in in_flight.iter().enumerate() {
                let most = (0..in_flight.len()).map(share_of).max().unwrap_or(0);
                prop_assert!(share_of(index) + 1 >= most || share_of(index) == cap - busy);
            }
        }
    }
}
