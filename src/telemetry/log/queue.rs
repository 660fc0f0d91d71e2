//! Carries log lines to standard error: a bounded queue, and one thread that writes its lines. No caller waits for the
//! reader of the log. Lines beyond the bound are dropped and counted. It must not know what a line says.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use prometheus::IntCounter;

/// The most bytes that may wait to be written: some thousand lines, for a reader that pauses for a moment.
const MOST: usize = 1024 * 1024;

/// The time that the thread lets lines gather before it writes them. It sleeps meanwhile, so that no caller has to wake
/// it.
const PAUSE: Duration = Duration::from_millis(5);

/// The most bytes that are written at once: as many as a pipe takes.
const PIECE: usize = 64 * 1024;

/// The number of bytes that wait to be written, and the number of lines without room.
#[derive(Debug)]
struct Waiting {
    bytes: AtomicUsize,
    dropped: IntCounter,
}

enum Message {
    Line(Vec<u8>),
    /// A request to write all lines before this message, and then to answer it.
    Flush(Sender<()>),
}

/// The sending end of the queue. Each `write` is one line.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    lines: Sender<Message>,
    waiting: Arc<Waiting>,
}

impl Queue {
    /// Starts the thread that writes to `out`. `dropped` counts the lines that found no room. `tell` is called with
    /// their number when there is room again.
    ///
    /// # Errors
    /// Fails if the system starts no thread.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        dropped: IntCounter,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, taken) = mpsc::channel();
        let told = dropped.get();
        let waiting = Arc::new(Waiting {
            bytes: AtomicUsize::new(0),
            dropped,
        });
        let queue = Self {
            lines,
            waiting: Arc::clone(&waiting),
        };
        thread::Builder::new()
            .name("gather-log".to_owned())
            .spawn(move || run(&taken, out, &waiting, told, tell))?;
        Ok(queue)
    }

    /// Waits until all earlier lines are written, for `bound` at most.
    pub(super) fn flush(&self, bound: Duration) {
        let (done, written) = mpsc::channel();
        if self.lines.send(Message::Flush(done)).is_ok() {
            // If it is late, nothing can be done about it.
            let _ = written.recv_timeout(bound);
        }
    }

    fn put(&self, line: &[u8]) {
        let before = self.waiting.bytes.fetch_add(line.len(), Ordering::AcqRel);
        let taken = before + line.len() <= MOST && {
            let line = Message::Line(line.to_vec());
            self.lines.send(line).is_ok()
        };
        if !taken {
            self.waiting.bytes.fetch_sub(line.len(), Ordering::AcqRel);
            self.waiting.dropped.inc();
        }
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until all sending ends are gone.
#[expect(clippy::disallowed_methods, reason = "this thread serves nobody")]
fn run(
    lines: &Receiver<Message>,
    mut out: impl Write,
    waiting: &Waiting,
    mut told: u64,
    tell: impl Fn(u64),
) {
    let mut piece = Vec::with_capacity(PIECE);
    while let Ok(first) = lines.recv() {
        if matches!(first, Message::Line(_)) {
            thread::sleep(PAUSE);
        }
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    if piece.len() + line.len() > PIECE {
                        write(&mut out, &mut piece, waiting);
                    }
                    piece.extend_from_slice(&line);
                }
                Message::Flush(done) => {
                    write(&mut out, &mut piece, waiting);
                    // The caller that asked may have given up.
                    let _ = done.send(());
                }
            }
            next = lines.try_recv().ok();
        }
        write(&mut out, &mut piece, waiting);
        let dropped = waiting.dropped.get();
        if dropped > told {
            tell(dropped - told);
            told = dropped;
        }
    }
}

/// Writes `piece` and empties it. Bytes that can't be written are lost, as there is nowhere to report it.
fn write(out: &mut impl Write, piece: &mut Vec<u8>, waiting: &Waiting) {
    let _ = out.write_all(piece).and_then(|()| out.flush());
    waiting.bytes.fetch_sub(piece.len(), Ordering::AcqRel);
    piece.clear();
    piece.shrink_to(PIECE);
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicBool};

    use super::*;

    /// Keeps the written bytes. It blocks while `stopped`.
    #[derive(Clone, Default)]
    struct Reader {
        stopped: Arc<AtomicBool>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        #[expect(
            clippy::disallowed_methods,
            reason = "it stands for a reader that stands still"
        )]
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            while self.stopped.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn start(reader: &Reader) -> (Queue, IntCounter, Arc<AtomicUsize>) {
        let dropped = IntCounter::new("dropped", "Lines.").unwrap();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let tell = move |lines: u64| {
            count.fetch_add(lines.try_into().unwrap(), Ordering::AcqRel);
        };
        let queue = Queue::start(reader.clone(), dropped.clone(), tell).unwrap();
        (queue, dropped, told)
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let reader = Reader::default();
        let (queue, dropped, _) = start(&reader);
        let mut expected = Vec::new();
        for number in 0..10_000 {
            let line = format!("line {number}\n");
            queue.put(line.as_bytes());
            expected.extend_from_slice(line.as_bytes());
        }
        queue.flush(LONG);
        assert!(*reader.written.lock().unwrap() == expected);
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn a_reader_that_stands_still_keeps_nobody_waiting_and_what_is_dropped_is_counted_and_told() {
        let reader = Reader::default();
        reader.stopped.store(true, Ordering::Release);
        let (queue, dropped, told) = start(&reader);
        let line = [b'x'; 1024];
        for _ in 0..2 * MOST / line.len() {
            queue.put(&line);
        }
        assert_eq!(dropped.get(), (MOST / line.len()) as u64);
        queue.flush(Duration::from_millis(20));
        reader.stopped.store(false, Ordering::Release);
        queue.flush(LONG);
        assert_eq!(reader.written.lock().unwrap().len(), MOST);
        // The number of dropped lines comes after the lines that had room.
        queue.put(&line);
        for _ in 0..1000 {
            queue.flush(LONG);
            if told.load(Ordering::Acquire) > 0 {
                break;
            }
        }
        assert_eq!(told.load(Ordering::Acquire), MOST / line.len());
        queue.put(&line);
        queue.flush(LONG);
        assert_eq!(dropped.get(), (MOST / line.len()) as u64);
    }

    #[test]
    fn a_line_longer_than_what_is_written_at_once_is_written_whole() {
        let reader = Reader::default();
        let (queue, _, _) = start(&reader);
        queue.put(b"before\n");
        queue.put(&[b'y'; 3 * PIECE]);
        queue.put(b"after\n");
        queue.flush(LONG);
        assert_eq!(reader.written.lock().unwrap().len(), 3 * PIECE + 13);
    }
}
