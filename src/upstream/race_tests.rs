//! Races on paused time, in a network of three addresses that follow a script.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::pending,
    pin::pin,
    rc::Rc,
};

use tokio::time::{sleep_until, timeout};

use super::*;

const ADDRESSES: [&str; 3] = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"];

/// The way in which an address takes a connection.
#[derive(Clone, Copy)]
enum Does {
    Accept(u64),
    Refuse(u64),
    Swallow,
    /// The connection fails at once with this error of the system.
    Lack(i32),
}
use Does::{Accept, Lack, Refuse, Swallow};

/// A name with three addresses on paused time.
struct Network {
    known: Addresses,
    does: BTreeMap<SocketAddr, Does>,
    /// The addresses that were tried and the times, in milliseconds.
    tried: RefCell<Vec<(usize, u64)>>,
    /// Held once more by each connection that is under way. There are as many as `descriptors`.
    held: Rc<()>,
    descriptors: Cell<usize>,
}

impl Network {
    fn new(does: [Does; 3]) -> Self {
        Self {
            known: Addresses::beginning_at(0),
            does: found().into_iter().zip(does).collect(),
            tried: RefCell::default(),
            held: Rc::default(),
            descriptors: Cell::new(100),
        }
    }

    fn with_descriptors(self, descriptors: usize) -> Self {
        self.descriptors.set(descriptors);
        self
    }

    /// Runs one race within this many milliseconds. Returns the winner and the time in milliseconds.
    async fn connect(&self, within: u64) -> (Result<usize, Lost>, u64) {
        self.tried.borrow_mut().clear();
        let began = Instant::now();
        let end = began + Duration::from_millis(within);
        let over = pin!(sleep_until(end));
        let since = move || u64::try_from(began.elapsed().as_millis()).unwrap();
        let connect = |address: SocketAddr| {
            self.tried.borrow_mut().push((index(address), since()));
            let is_short = Rc::strong_count(&self.held) > self.descriptors.get();
            let does = if is_short {
                Lack(libc::EMFILE)
            } else {
                self.does[&address]
            };
            let held = (!is_short).then(|| Rc::clone(&self.held));
            async move {
                let _held = held;
                let (after, result) = match does {
                    Accept(after) => (after, Ok(())),
                    Refuse(after) => (after, Err(io::ErrorKind::ConnectionRefused.into())),
                    Swallow => return pending().await,
                    Lack(code) => return Err(io::Error::from_raw_os_error(code)),
                };
                sleep(Duration::from_millis(after)).await;
                result
            }
        };
        let won = race(&self.known, &found(), end, over, connect).await;
        (won.map(|(address, ())| index(address)), since())
    }

    #[track_caller]
    fn assert_tried(&self, tried: &[(usize, u64)]) {
        assert_eq!(*self.tried.borrow(), tried);
    }
}

fn found() -> Vec<SocketAddr> {
    ADDRESSES.map(|address| address.parse().unwrap()).to_vec()
}

fn index(address: SocketAddr) -> usize {
    found().iter().position(|known| *known == address).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_dead_address_costs_250_ms_once() {
    let network = Network::new([Swallow, Accept(1), Accept(1)]);
    let (won, after) = network.connect(10_000).await;
    assert_eq!((won.unwrap(), after), (1, 251));
    network.assert_tried(&[(0, 0), (1, 250)]);
    for _ in 0..10 {
        assert_eq!(network.connect(10_000).await.1, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_is_tried_by_half_of_the_time_that_is_left() {
    let network = Network::new([Swallow, Swallow, Accept(1)]);
    let (won, after) = network.connect(400).await;
    assert_eq!((won.unwrap(), after), (2, 301));
    network.assert_tried(&[(0, 0), (1, 200), (2, 300)]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_costs_nothing() {
    let network = Network::new([Refuse(0), Swallow, Accept(1)]);
    let (won, after) = network.connect(10_000).await;
    assert_eq!(won.unwrap(), 2);
    // Timers are as fine as a millisecond.
    assert!(after <= 253, "{after}");
    assert!(network.tried.borrow()[1].1 <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_address_may_still_win() {
    let network = Network::new([Accept(300), Accept(100), Swallow]);
    let (won, after) = network.connect(10_000).await;
    assert_eq!((won.unwrap(), after), (0, 300));
    network.assert_tried(&[(0, 0), (1, 250)]);
}

#[tokio::test(start_paused = true)]
async fn the_next_is_tried_at_once_when_an_earlier_one_fails() {
    let network = Network::new([Refuse(300), Swallow, Accept(1)]);
    let (won, after) = network.connect(10_000).await;
    assert_eq!((won.unwrap(), after), (2, 301));
    network.assert_tried(&[(0, 0), (1, 250), (2, 300)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_connection_begun_beside_one_that_waits_goes_to_another_address() {
    let network = Network::new([Swallow, Accept(1), Accept(1)]);
    let hedged = async {
        sleep(Duration::from_millis(50)).await;
        network.connect(10_000).await
    };
    let (_, (won, after)) = tokio::join!(network.connect(10_000), hedged);
    assert_eq!((won.unwrap(), after), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_address_is_the_last_of_the_next_connection() {
    let network = Network::new([Swallow, Refuse(0), Accept(1)]);
    network.connect(10_000).await.0.unwrap();
    network.connect(10_000).await.0.unwrap();
    network.assert_tried(&[(2, 0)]);
}

#[tokio::test(start_paused = true)]
async fn without_any_that_answers_the_time_ends_it() {
    let network = Network::new([Swallow, Swallow, Swallow]);
    let (won, after) = network.connect(1000).await;
    assert!(matches!(won, Err(Lost::Late)));
    assert_eq!(after, 1000);
    network.assert_tried(&[(0, 0), (1, 250), (2, 500)]);
    // All have failed, so all are tried again.
    network.connect(1000).await.0.unwrap_err();
    assert_eq!(network.tried.borrow().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_told_where_all_fail() {
    let network = Network::new([Refuse(0), Refuse(5), Refuse(1)]);
    let (won, after) = network.connect(1000).await;
    let Err(Lost::Failed(Some(error))) = won else {
        panic!("{won:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(after <= 10, "{after}");
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_fails_at_once() {
    let end = Instant::now() + Duration::from_secs(1);
    let over = pin!(sleep_until(end));
    let connect = |_| pending::<io::Result<()>>();
    let lost = race(&Addresses::new(), &[], end, over, connect).await;
    assert!(matches!(lost, Err(Lost::Failed(None))));
    assert_eq!(end.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_given_up_at_once_says_nothing_of_the_address() {
    let network = Network::new([Accept(50), Accept(50), Accept(50)]);
    let given_up = timeout(Duration::from_millis(5), network.connect(10_000)).await;
    assert!(given_up.is_err());
    let (won, _) = network.connect(5).await;
    assert!(matches!(won, Err(Lost::Late)));
    // The third turn begins at its own address, as if nothing had failed.
    assert_eq!(network.connect(10_000).await.0.unwrap(), 2);
    assert_eq!(network.connect(10_000).await.0.unwrap(), 0);
}

#[track_caller]
fn assert_short(lost: Result<usize, Lost>, code: i32) {
    let Err(Lost::Failed(Some(error))) = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(error.raw_os_error(), Some(code));
}

#[tokio::test(start_paused = true)]
async fn a_dead_address_gives_its_descriptor_to_one_that_has_none() {
    let network = Network::new([Swallow, Accept(1), Accept(1)]).with_descriptors(1);
    let (won, after) = network.connect(10_000).await;
    assert_eq!((won.unwrap(), after), (1, 251));
    network.assert_tried(&[(0, 0), (1, 250), (1, 250)]);
    // Another address still was faster.
    for _ in 0..10 {
        assert_eq!(network.connect(10_000).await.1, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_gave_its_descriptor_up_is_tried_again_after_the_others() {
    let network = Network::new([Accept(300), Refuse(1), Refuse(1)]).with_descriptors(1);
    let (won, _) = network.connect(10_000).await;
    assert_eq!(won.unwrap(), 0);
    let tried: Vec<_> = network.tried.borrow().iter().map(|(one, _)| *one).collect();
    assert_eq!(tried, [0, 1, 1, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_shortage_that_stays_ends_the_race_and_is_the_reason() {
    for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS] {
        let network = Network::new([Swallow, Lack(code), Lack(code)]);
        let (lost, after) = network.connect(10_000).await;
        assert_short(lost, code);
        assert_eq!(after, 250);
        network.assert_tried(&[(0, 0), (1, 250), (1, 250)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shortage_is_the_reason_whatever_the_other_addresses_do() {
    let (files, ports) = (Lack(libc::EMFILE), Lack(libc::EADDRNOTAVAIL));
    for (does, code) in [
        ([files, Refuse(0), Refuse(5)], libc::EMFILE),
        ([Refuse(0), files, Refuse(5)], libc::EMFILE),
        ([files, Swallow, Refuse(5)], libc::EMFILE),
        ([ports, Refuse(5), Refuse(0)], libc::EADDRNOTAVAIL),
        ([Swallow, ports, Swallow], libc::EADDRNOTAVAIL),
    ] {
        let (lost, _) = Network::new(does).connect(1000).await;
        assert_short(lost, code);
    }
}
