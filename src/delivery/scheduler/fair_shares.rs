//! Fair turns: how slots are shared among those who want some. Pure.

/// Shares `free` slots among wishes: each in turn gets one more, until the slots run out or every wish is
/// fulfilled. Who wants much gets no more than who wants as much as there is for each; where there is less
/// than one for each, the first are served. The shares are in the order of the wishes.
pub(super) fn fair_shares(wishes: &[u32], mut free: u32) -> Vec<u32> {
    let mut shares = vec![0; wishes.len()];
    loop {
        let open = wishes.iter().zip(&shares).filter(|(wish, share)| share < wish).count();
        let Ok(open) = u32::try_from(open) else { return shares };
        if open == 0 || free == 0 {
            return shares;
        }
        // Whole rounds at once; where there is no whole one left, the first get one each.
        let each = (free / open).max(1);
        for (share, wish) in shares.iter_mut().zip(wishes) {
            let more = each.min(wish - *share).min(free);
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
    fn slots_are_shared_evenly_and_what_one_cannot_use_is_the_others() {
        for (wishes, free, expected) in [
            (&[16, 16][..], 10, &[5, 5][..]),
            (&[16, 2], 10, &[8, 2]),
            (&[16, 0], 10, &[10, 0]),
            (&[1, 1, 1], 2, &[1, 1, 0]),
            (&[5, 5, 5], 4, &[2, 1, 1]),
            (&[], 4, &[]),
            (&[3], 0, &[0]),
        ] {
            assert_eq!(fair_shares(wishes, free), expected, "{wishes:?} {free}");
        }
    }

    proptest! {
        #[test]
        fn no_wish_is_exceeded_and_no_slot_wasted(
            wishes in prop::collection::vec(0_u32..20, 0..30), free in 0_u32..100,
        ) {
            let shares = fair_shares(&wishes, free);
            prop_assert_eq!(shares.iter().sum::<u32>(), wishes.iter().sum::<u32>().min(free));
            prop_assert!(shares.iter().zip(&wishes).all(|(share, wish)| share <= wish));
        }

        #[test]
        fn nobody_gets_more_than_one_above_another_that_wants_more(
            wishes in prop::collection::vec(0_u32..20, 1..30), free in 0_u32..100,
        ) {
            let shares = fair_shares(&wishes, free);
            let most = shares.iter().copied().max().unwrap_or(0);
            for (share, wish) in shares.iter().zip(&wishes) {
                prop_assert!(share + 1 >= most || share == wish);
            }
        }
    }
}
