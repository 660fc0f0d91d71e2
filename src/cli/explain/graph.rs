//! The layers of a plan, and its longest chain. It must not know calls: they are indices here.

use std::time::Duration;

use crate::config::order;

/// Returns the layer of each call, from 0: one after the last layer of those that it waits for. `after` makes no cycle.
pub(super) fn layers(after: &[&[usize]]) -> Vec<usize> {
    let mut layers = vec![0; after.len()];
    for &call in &order(after) {
        let earlier = after[call].iter().map(|&earlier| layers[earlier] + 1);
        layers[call] = earlier.max().unwrap_or_default();
    }
    layers
}

/// Returns the chain of calls whose times add up to the most, and the sum. Of several such chains it is that of the
/// calls that come first.
pub(super) fn critical(after: &[&[usize]], times: &[Duration]) -> (Vec<usize>, Duration) {
    // The sum up to the end of each call, and the call before it on the way.
    let mut ends: Vec<(Duration, Option<usize>)> = vec![(Duration::ZERO, None); after.len()];
    for &call in &order(after) {
        let mut longest: Option<usize> = None;
        for &earlier in after[call] {
            if longest.is_none_or(|longest| ends[earlier].0 > ends[longest].0) {
                longest = Some(earlier);
            }
        }
        let before = longest.map_or(Duration::ZERO, |longest| ends[longest].0);
        ends[call] = (before + times[call], longest);
    }
    let mut last: Option<usize> = None;
    for call in 0..ends.len() {
        if last.is_none_or(|last| ends[call].0 > ends[last].0) {
            last = Some(call);
        }
    }
    let sum = last.map_or(Duration::ZERO, |last| ends[last].0);
    let mut path = Vec::new();
    while let Some(call) = last {
        path.push(call);
        last = ends[call].1;
    }
    path.reverse();
    (path, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(times: &[u64]) -> Vec<Duration> {
        times.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn a_call_is_in_the_layer_after_the_last_that_it_waits_for() {
        assert_eq!(layers(&[&[1], &[], &[0, 1], &[]]), [1, 0, 2, 0]);
        assert_eq!(layers(&[]), [0; 0]);
    }

    #[test]
    fn the_critical_path_is_the_chain_with_the_largest_sum() {
        let after: [&[usize]; 4] = [&[], &[], &[0, 1], &[0]];
        let (path, sum) = critical(&after, &seconds(&[1, 2, 1, 1]));
        assert_eq!((path, sum), (vec![1, 2], Duration::from_secs(3)));
        let (path, sum) = critical(&after, &seconds(&[1, 1, 1, 5]));
        assert_eq!((path, sum), (vec![0, 3], Duration::from_secs(6)));
    }

    #[test]
    fn of_equal_chains_the_first_is_the_critical_path() {
        let (path, _) = critical(&[&[], &[], &[0, 1], &[1]], &seconds(&[1, 1, 1, 1]));
        assert_eq!(path, [0, 2]);
    }
}
