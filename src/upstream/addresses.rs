//! The order in which a name's addresses are tried. The system's order (RFC 6724) is the base. Connections begin at
//! each address in turn, and the families alternate (RFC 8305, section 4). An address that brought no connection comes
//! last for a while. It must not know how a connection is made.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

/// The time for which an address that brought no connection comes after the others. A dead address then slows one new
/// connection in half a minute. A recovered one has its share again before most kept connections have ended.
const AVOIDED: Duration = Duration::from_secs(30);

/// The number of addresses that are remembered. It only bounds memory, as a name rarely has more.
const REMEMBERED: usize = 64;

/// One worker's knowledge of an upstream's addresses.
pub(super) struct Addresses {
    /// Counts connections, so that each begins at another address.
    turn: Cell<usize>,
    /// The addresses that brought no connection, and the times. The latest is last.
    avoided: RefCell<VecDeque<(SocketAddr, Instant)>>,
}

impl Addresses {
    /// Begins at a random address, so that the workers of many gateways don't all begin at the same.
    pub(super) fn new() -> Self {
        Self::beginning_at(fastrand::usize(..))
    }

    pub(super) fn beginning_at(turn: usize) -> Self {
        Self {
            turn: Cell::new(turn),
            avoided: RefCell::default(),
        }
    }

    /// Returns all addresses in the order in which the next connection tries them.
    pub(super) fn order(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        if let [only] = found {
            return vec![*only];
        }
        self.forget();
        let (mut avoided, mut good): (Vec<_>, Vec<_>) =
            found.iter().partition(|address| self.is_avoided(address));
        for group in [&mut good, &mut avoided] {
            let start = turn.checked_rem(group.len());
            group.rotate_left(start.unwrap_or_default());
        }
        let first_is_v6 = good.first().is_some_and(SocketAddr::is_ipv6);
        // If only one family has failed, the cause is often its route. Its other addresses would then cost as much.
        let failed = |v6| avoided.iter().any(|address| address.is_ipv6() == v6);
        let first_is_v6 = first_is_v6 ^ (failed(first_is_v6) && !failed(!first_is_v6));
        let mut order = interleaved(good, first_is_v6);
        let first_is_v6 = avoided.first().is_some_and(SocketAddr::is_ipv6);
        order.extend(interleaved(avoided, first_is_v6));
        order
    }

    /// Puts an address last that failed, or that was slower than one begun later.
    pub(super) fn avoid(&self, address: SocketAddr) {
        let mut avoided = self.avoided.borrow_mut();
        avoided.retain(|(known, _)| *known != address);
        if avoided.len() == REMEMBERED {
            avoided.pop_front();
        }
        avoided.push_back((address, Instant::now()));
    }

    /// Notes that an address brought a connection.
    pub(super) fn trust(&self, address: SocketAddr) {
        self.avoided
            .borrow_mut()
            .retain(|(known, _)| *known != address);
    }

    fn is_avoided(&self, address: &SocketAddr) -> bool {
        let avoided = self.avoided.borrow();
        avoided.iter().any(|(known, _)| known == address)
    }

    fn forget(&self) {
        let now = Instant::now();
        self.avoided
            .borrow_mut()
            .retain(|(_, since)| now < *since + AVOIDED);
    }
}

/// Takes one of each family in turn while there are both.
fn interleaved(addresses: Vec<SocketAddr>, first_is_v6: bool) -> Vec<SocketAddr> {
    let count = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Makes an address. `4` and `6` are families, and the second digit tells addresses of one family apart.
    fn address(name: u8) -> SocketAddr {
        let ip = match name / 10 {
            4 => format!("192.0.2.{name}"),
            _ => format!("[2001:db8::{name}]"),
        };
        format!("{ip}:80").parse().unwrap()
    }

    fn addresses(names: &[u8]) -> Vec<SocketAddr> {
        names.iter().copied().map(address).collect()
    }

    #[track_caller]
    fn assert_order(known: &Addresses, found: &[u8], order: &[u8]) {
        assert_eq!(known.order(&addresses(found)), addresses(order));
    }

    #[tokio::test(start_paused = true)]
    async fn the_families_alternate_and_the_systems_first_is_first() {
        let order = |found: &[u8], order| assert_order(&Addresses::beginning_at(0), found, order);
        order(&[61, 62, 63, 41, 42], &[61, 41, 62, 42, 63]);
        order(&[41, 61, 62], &[41, 61, 62]);
        order(&[41, 42], &[41, 42]);
        order(&[61], &[61]);
        order(&[], &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_connection_begins_at_the_next_address() {
        let known = Addresses::beginning_at(0);
        let found = [61, 62, 41, 42];
        let first = |_| known.order(&addresses(&found))[0];
        let firsts: Vec<_> = (0..5).map(first).collect();
        assert_eq!(firsts, addresses(&[61, 62, 41, 42, 61]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_failed_comes_last_for_a_while() {
        let known = Addresses::beginning_at(0);
        known.avoid(address(41));
        for order in [[42, 43, 41], [43, 42, 41], [42, 43, 41]] {
            assert_order(&known, &[41, 42, 43], &order);
        }
        advance(AVOIDED).await;
        assert_order(&known, &[41, 42, 43], &[41, 42, 43]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_back_is_one_of_all_again() {
        let known = Addresses::beginning_at(0);
        known.avoid(address(41));
        known.trust(address(41));
        assert_order(&known, &[41, 42], &[41, 42]);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_have_all_failed_are_all_tried_in_turn() {
        let known = Addresses::beginning_at(0);
        for name in [41, 42, 43] {
            known.avoid(address(name));
        }
        assert_order(&known, &[41, 42, 43], &[41, 42, 43]);
        assert_order(&known, &[41, 42, 43], &[42, 43, 41]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_that_failed_alone_is_not_begun_with() {
        let known = Addresses::beginning_at(0);
        known.avoid(address(61));
        for _ in 0..4 {
            assert!(known.order(&addresses(&[61, 62, 41, 42]))[0].is_ipv4());
        }
        // If both families have failed addresses, neither is to blame.
        known.avoid(address(41));
        let begun: Vec<_> = (0..2)
            .map(|_| known.order(&addresses(&[61, 62, 41, 42]))[0])
            .collect();
        assert_eq!(begun, addresses(&[62, 42]));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_bounded_number_is_remembered() {
        let known = Addresses::new();
        for port in 0..1000 {
            known.avoid(SocketAddr::from(([192, 0, 2, 1], port)));
        }
        assert_eq!(known.avoided.borrow().len(), REMEMBERED);
    }
}
