//! Max-min fair sharing of slots. Pure.

/// Shares `free` slots among `demands`: everyone in turn gets one more, until the slots run out or all demands are
/// met. Where there is less than one for each, the first get one. The shares are in the order of the demands.
pub(super) fn fair_shares(demands: &[u32], mut free: u32) -> Vec<u32> {
    let mut shares = vec![0; demands.len()];
    loop {
        let open = demands.iter().zip(&shares).filter(|(demand, share)| share < demand).count();
        let Ok(open) = u32::try_from(open) else { return shares };
        if open == 0 || free == 0 {
            return shares;
        }
        // Many rounds at once; in the last one, which may be cut short, one for each of the first.
        let each = (free / open).max(1);
        for (share, demand) in shares.iter_mut().zip(demands) {
            let more = each.min(demand - *share).min(free);
            *share += more;
            free -= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_shared_evenly_and_what_one_cannot_use_goes_to_the_others() {
        for (demands, free, expected) in [
            (&[16, 16][..], 10, &[5, 5][..]),
            (&[16, 2], 10, &[8, 2]),
            (&[16, 0], 10, &[10, 0]),
            (&[1, 1, 1], 2, &[1, 1, 0]),
            (&[5, 5, 5], 4, &[2, 1, 1]),
            (&[], 4, &[]),
            (&[3], 0, &[0]),
        ] {
            assert_eq!(fair_shares(demands, free), expected, "{demands:?} {free}");
        }
    }

    proptest! {
        #[test]
        fn no_demand_is_exceeded_and_no_slot_wasted(
            demands in prop::collection::vec(0_u32..20, 0..30), free in 0_u32..100,
        ) {
            let shares = fair_shares(&demands, free);
            prop_assert_eq!(shares.iter().sum::<u32>(), demands.iter().sum::<u32>().min(free));
            prop_assert!(shares.iter().zip(&demands).all(|(share, demand)| share <= demand));
        }

        #[test]
        fn no_share_is_more_than_one_above_an_unmet_one(
            demands in prop::collection::vec(0_u32..20, 1..30), free in 0_u32..100,
        ) {
            let shares = fair_shares(&demands, free);
            let most = shares.iter().copied().max().unwrap_or(0);
            for (share, demand) in shares.iter().zip(&demands) {
                prop_assert!(share + 1 >= most || share == demand);
            }
        }
    }
}
