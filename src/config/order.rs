//! The order of calls that wait for one another, if they are made one at a time. It must not know calls: they are indices
//! here.

/// Returns the calls in the order in which they start one after another: always the first that waits for no other
/// any more. Those that wait for one another in a circle are left out.
#[must_use]
pub fn order(after: &[&[usize]]) -> Vec<usize> {
    let mut order = Vec::with_capacity(after.len());
    let mut is_placed = vec![false; after.len()];
    let is_next = |call: usize, is_placed: &[bool]| {
        !is_placed[call] && after[call].iter().all(|&earlier| is_placed[earlier])
    };
    while let Some(call) = (0..after.len()).find(|&call| is_next(call, &is_placed)) {
        is_placed[call] = true;
        order.push(call);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_another_the_first_starts_that_waits_for_no_other() {
        assert_eq!(order(&[&[2], &[], &[], &[0]]), [1, 2, 0, 3]);
        assert_eq!(order(&[&[1], &[0], &[]]), [2]);
    }
}
