//! The memory that the bodies and answers of all requests take together, counted over all workers. It refuses at once,
//! and nothing waits. It must not know bodies.
//!
//! A request is charged a fixed size when it is let in. A request with small bodies is charged nothing else. That takes
//! two atomic operations: one at its beginning and one at its end. Larger requests are charged the rest in large steps.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The step of charges beyond a request's fixed size, in bytes. A body in many small pieces is therefore charged only a
/// few times.
const STEP: usize = 64 * 1024;

/// The denominator of the memory's fraction that is kept for fixed sizes. Large bodies, and answers that wait for slow
/// clients, fill the rest. Requests with small bodies are therefore still let in.
const RESERVED: usize = 4;

/// The time for which requests of a kind are kept out of the last half of that fraction. It begins when a body of their
/// kind finds no memory, as requests of such a kind fill the rest.
const GREEDY_FOR: Duration = Duration::from_secs(5);

/// The number of kinds that are told apart. If there are more, kinds share their entries.
const KINDS: usize = 64;

/// The memory that the workers share. A clone is the same memory.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    charged: AtomicUsize,
    /// The last time that a body of each kind found no memory, in milliseconds after `start`; 0 if that never happened.
    refused: [AtomicU64; KINDS],
    start: Instant,
}

impl Memory {
    /// Makes a memory of `limit` bytes, with nothing charged.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            charged: AtomicUsize::new(0),
            refused: [const { AtomicU64::new(0) }; KINDS],
            start: Instant::now(),
        }))
    }

    /// Returns the size of the memory, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns the sum of all charges now, in bytes.
    #[must_use]
    pub fn charged(&self) -> usize {
        self.0.charged.load(Ordering::Relaxed)
    }

    /// Charges a request of this kind its fixed size. `free` bytes of that size are for the bodies that it will
    /// [`cover`](Charge::cover). Returns `None` if that many bytes are not left.
    #[must_use]
    pub fn admit(self: &Rc<Self>, kind: usize, size: usize, free: usize) -> Option<Charge> {
        let limit = self.0.limit;
        let is_let_in = self.draw(size, limit - limit / RESERVED / 2)
            || (!self.is_greedy(kind) && self.draw(size, limit));
        is_let_in.then(|| Charge {
            memory: Rc::clone(self),
            kind,
            charged: Cell::new(size),
            apart: size.saturating_sub(free),
        })
    }

    /// Charges something that a request can do without. Returns `None` if half of the memory is taken, as bodies come
    /// first.
    #[must_use]
    pub fn lend(self: &Rc<Self>, size: usize) -> Option<Charge> {
        self.draw(size, self.0.limit / 2).then(|| Charge {
            memory: Rc::clone(self),
            kind: 0,
            charged: Cell::new(size),
            apart: 0,
        })
    }

    #[cold]
    fn is_greedy(&self, kind: usize) -> bool {
        let refused = self.0.refused[kind % KINDS].load(Ordering::Relaxed);
        refused > 0 && self.now() < refused + GREEDY_FOR.as_secs() * 1000
    }

    fn refuse(&self, kind: usize) {
        self.0.refused[kind % KINDS].store(self.now(), Ordering::Relaxed);
    }

    /// Returns the milliseconds since the start, at least 1.
    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).map_or(u64::MAX / 2, |now| now + 1)
    }

    fn draw(&self, size: usize, limit: usize) -> bool {
        let drawn = |charged: usize| charged.checked_add(size).filter(|sum| *sum <= limit);
        let charged = &self.0.charged;
        let done = charged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, drawn);
        done.is_ok()
    }

    fn give_back(&self, size: usize) {
        self.0.charged.fetch_sub(size, Ordering::Relaxed);
    }
}

/// The memory of a request in flight itself, and of each of its calls, in bytes.
const STATE: usize = 12 * 1024;
const CALL_STATE: usize = 4608;

/// The memory of small bodies and their answer, and the part that each call adds, in bytes.
const SMALL: usize = 4 * 1024;
const CALL_SMALL: usize = 4 * 1024;

/// Returns the fixed size of a request with this many calls, in bytes, and its part for small bodies and their answer.
#[must_use]
pub const fn fixed(calls: usize) -> (usize, usize) {
    let free = SMALL + CALL_SMALL * calls;
    (STATE + CALL_STATE * calls + free, free)
}

/// Returns the part of `limit` that everything beyond fixed sizes may fill.
#[must_use]
pub const fn large(limit: usize) -> usize {
    limit - limit / RESERVED
}

/// The charge of one request. It is given back when this is dropped.
#[derive(Debug)]
pub struct Charge {
    memory: Rc<Memory>,
    kind: usize,
    charged: Cell<usize>,
    /// The part for the request itself, whatever its bodies take.
    apart: usize,
}

impl Charge {
    /// Makes the charge large enough for bodies and answers of `size` bytes. Returns false if the memory for them is
    /// taken. The charge then stays as it is.
    #[must_use]
    pub fn cover(&self, size: usize) -> bool {
        let lacking = self.of(size).saturating_sub(self.charged.get());
        lacking == 0 || self.cover_more(lacking)
    }

    #[cold]
    fn cover_more(&self, lacking: usize) -> bool {
        let more = lacking.checked_next_multiple_of(STEP).unwrap_or(lacking);
        let limit = large(self.memory.limit());
        // The last step may be smaller than a whole one.
        for more in [more, lacking] {
            if self.memory.draw(more, limit) {
                self.charged.set(self.charged.get() + more);
                return true;
            }
        }
        self.memory.refuse(self.kind);
        false
    }

    /// Charges `size` bytes more, which are held as long as the request is. Returns false if the memory for them is
    /// taken. The charge then stays as it is.
    #[must_use]
    pub fn hold(&mut self, size: usize) -> bool {
        let is_there = self.memory.draw(size, large(self.memory.limit()));
        if is_there {
            self.apart += size;
            self.charged.set(self.charged.get() + size);
        }
        is_there
    }

    /// Gives `size` bytes of what is held back.
    pub fn release(&mut self, size: usize) {
        let size = size.min(self.apart);
        self.apart -= size;
        self.charged.set(self.charged.get() - size);
        self.memory.give_back(size);
    }

    /// Sets the charge to that of `size` bytes, which are held in any case. A surplus of a step or more is given back.
    pub fn settle(&self, size: usize) {
        let (charged, size) = (self.charged.get(), self.of(size));
        if size > charged {
            let more = &self.memory.0.charged;
            more.fetch_add(size - charged, Ordering::Relaxed);
        } else if charged - size >= STEP {
            self.memory.give_back(charged - size);
        } else {
            return;
        }
        self.charged.set(size);
    }

    /// Returns the whole charge of a request whose bodies and answers take `size` bytes.
    const fn of(&self, size: usize) -> usize {
        self.apart.saturating_add(size)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.give_back(self.charged.get());
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const KIB: usize = 1024;

    fn memory(limit: usize) -> Rc<Memory> {
        Rc::new(Memory::new(limit))
    }

    #[test]
    fn a_request_with_small_bodies_is_charged_once_and_gives_that_back() {
        let memory = memory(100 * KIB);
        let charge = memory.admit(0, 40 * KIB, 10 * KIB).unwrap();
        assert!(charge.cover(10 * KIB));
        charge.settle(0);
        assert_eq!(memory.charged(), 40 * KIB);
        drop(charge);
        assert_eq!(memory.charged(), 0);
    }

    #[test]
    fn what_is_held_with_a_request_is_charged_to_its_end() {
        let memory = memory(400 * KIB);
        let mut charge = memory.admit(0, 40 * KIB, 10 * KIB).unwrap();
        assert!(charge.hold(80 * KIB) && !charge.hold(300 * KIB));
        charge.release(20 * KIB);
        assert!(charge.cover(10 * KIB));
        charge.settle(0);
        assert_eq!(memory.charged(), 100 * KIB);
        drop(charge);
        assert_eq!(memory.charged(), 0);
    }

    #[test]
    fn what_can_be_done_without_gets_half() {
        let memory = memory(400 * KIB);
        let lent = memory.lend(200 * KIB);
        assert!(lent.is_some() && memory.lend(1).is_none());
        assert!(memory.admit(0, 10 * KIB, 0).unwrap().cover(60 * KIB));
    }

    #[test]
    fn nobody_is_let_in_beyond_the_limit_and_all_are_once_there_is_room() {
        let memory = memory(100 * KIB);
        let charges: Vec<_> = (0..3).map(|_| memory.admit(0, 40 * KIB, 0)).collect();
        assert!(charges[1].is_some() && charges[2].is_none());
        drop(charges);
        assert!(memory.admit(0, 100 * KIB, 0).is_some());
    }

    #[test]
    fn large_bodies_leave_a_part_to_those_with_small_ones() {
        let memory = memory(4096 * KIB);
        let (one, other) = (
            memory.admit(0, KIB, KIB).unwrap(),
            memory.admit(0, KIB, KIB),
        );
        assert!(one.cover(3000 * KIB) && !one.cover(3073 * KIB));
        assert!(!other.unwrap().cover(200 * KIB) && memory.lend(200 * KIB).is_none());
        let small: Vec<_> = (0..25)
            .map_while(|_| memory.admit(1, 40 * KIB, 0))
            .collect();
        assert_eq!(small.len(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_the_kind_that_found_no_memory_stay_out_of_the_last_of_it_for_a_while() {
        let memory = memory(4096 * KIB);
        let large = memory.admit(0, KIB, KIB).unwrap();
        assert!(large.cover(3000 * KIB) && !large.cover(3100 * KIB));
        let alike: Vec<_> = (0..50)
            .map_while(|_| memory.admit(0, 40 * KIB, 0))
            .collect();
        assert_eq!(alike.len(), 14);
        // A request of another kind is let in.
        assert!(memory.admit(1, 40 * KIB, 0).is_some());
        assert!(memory.admit(0, 40 * KIB, 0).is_none());
        tokio::time::advance(GREEDY_FOR + Duration::from_millis(1)).await;
        assert!(memory.admit(0, 40 * KIB, 0).is_some());
    }

    #[test]
    fn what_is_there_in_any_case_is_charged_beyond_the_limit_and_given_back() {
        let memory = memory(1024 * KIB);
        let charge = memory.admit(0, 16 * KIB, 0).unwrap();
        charge.settle(2048 * KIB);
        assert_eq!(memory.charged(), 2064 * KIB);
        assert!(memory.admit(0, 1, 0).is_none());
        charge.settle(200 * KIB);
        assert_eq!(memory.charged(), 216 * KIB);
        drop(charge);
        assert_eq!(memory.charged(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_charged_it_is_within_its_limit_and_all_of_it_comes_back(
            steps in vec((0..4_usize, 0..2_000_000_usize, 0..5_u8), 0..200),
        ) {
            let memory = memory(2 << 20);
            let mut charges: [Option<Charge>; 4] = Default::default();
            for (at, size, what) in steps {
                let before = memory.charged();
                match (what, &charges[at]) {
                    (0, _) => charges[at] = None,
                    (1, None) => charges[at] = memory.admit(0, size % 100_000, size % 1000),
                    (2, Some(charge)) => charge.settle(size.min(before)),
                    (_, Some(charge)) => {
                        let _ = charge.cover(size);
                    }
                    (_, None) => {}
                }
                let sum: usize = charges.iter().flatten().map(|it| it.charged.get()).sum();
                prop_assert_eq!(memory.charged(), sum);
                prop_assert!(sum <= (2 << 20) || sum <= 2 * before);
            }
            drop(charges);
            prop_assert_eq!(memory.charged(), 0);
        }
    }
}
