//! One attempt: a prepared request sent, its whole answer taken, and whatever went wrong named by its class.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut as _, Bytes};
use futures_util::FutureExt as _;
use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf},
    time::{Instant, timeout},
};

use super::{
    Prepared, Settings,
    advice::Advised,
    body::Bounds,
    inflate,
    pool::{Connection, Pool, Spare, Stream},
    reading::{Reading, Rules},
    request::{SMALL, Template},
    tls,
};
use crate::exchange::ClientContext;
use crate::fanout::{
    AttemptId, Failure, FailureKind, HeadStatus, Party, Repeatable, Reply, Upstream,
};

/// The time that the rest of a failed answer may keep a call waiting: it usually came with the head.
const DRAIN_TIME: Duration = Duration::from_millis(20);

/// The bytes that are read at once, where it isn't known how much is to come. They lie on the stack, so that a call that waits
/// holds nothing.
const PIECE: usize = 8 * 1024;

/// A request that may not be sent twice takes a connection only if that has waited for at most this part of `keep_alive`: a
/// second by default. Of the servers that keep connections at all, those that close earliest do so after two.
const YOUNG: u32 = 4;

/// After a larger body, in bytes, a connection takes no other request that may not be sent twice. A server that has answered
/// without reading all of it may close the connection without a word. A smaller one comes with its head.
const READ_FOR_SURE: usize = SMALL;

/// Told of what happens below an attempt, and asked where it costs something.
pub trait Watch {
    /// A connection was opened.
    fn opened(&self) {}
    /// No connection could be opened.
    fn unreachable(&self, _failure: &Failure) {}
    /// No connection could be opened for something that this process lacks for all upstreams, such as file descriptors.
    fn short(&self, _failure: &Failure) {}
    /// A pooled connection turned out to be closed or brought no answer, and the request was sent again on a new one.
    fn resent(&self) {}
    /// Pays for sending a request again after the upstream's last answer was a failure; `false` if it may not be sent.
    fn may_resend(&self) -> bool {
        true
    }
}

impl Watch for () {}

/// The way to one upstream from one worker thread, with a pool of its own.
pub struct Adapter {
    settings: Arc<Settings>,
    pool: Pool,
    template: Template,
    /// The time that a connection may wait for its next request.
    keep_alive: Duration,
    advised: Option<Arc<Advised>>,
    /// True if the last attempt that ended here brought a reply.
    answering: Cell<bool>,
    watch: Rc<dyn Watch>,
}

/// The end of an exchange.
enum Ended {
    /// With an answer, or without one that can be had.
    Settled(Result<Reply, Failure>),
    /// The connection brought not a byte of an answer before it was closed, or bytes that begin none.
    Stale(Failure),
}

impl Adapter {
    /// Opens a pool and prepares the request. Needs to be on the thread that will run the attempts.
    #[must_use]
    pub fn new(prepared: &Prepared, watch: Rc<dyn Watch>) -> Self {
        Self::with_spare(prepared, watch, &Rc::default())
    }

    /// The same, with the idle connections of all adapters of its thread: where descriptors run out, each closes those of the
    /// others.
    #[must_use]
    pub fn with_spare(prepared: &Prepared, watch: Rc<dyn Watch>, spare: &Rc<Spare>) -> Self {
        Self {
            pool: prepared.pool(&watch, spare),
            template: Template::new(&prepared.settings, prepared.hop.clone()),
            keep_alive: keep_alive(&prepared.settings),
            settings: Arc::clone(&prepared.settings),
            advised: prepared.advised.clone(),
            answering: Cell::new(false),
            watch,
        }
    }

    /// A connection for one request, that no other will use.
    pub(super) async fn open_alone(&self) -> Result<Box<dyn Stream>, Failure> {
        // Its time is its caller's to bound; the dialer's own limit comes first.
        let until = Instant::now() + 2 * self.settings.service.connect_timeout;
        Ok(self.pool.open(until).await?.stream)
    }

    pub(super) const fn template(&self) -> &Template {
        &self.template
    }

    /// Tells whether a request whose pooled connection was closed may be sent once more. With an upstream that answers well,
    /// that is the connection's end and nothing else, and free. With one that fails it may be another way to fail, and
    /// counts as what it then is: one more attempt.
    fn may_resend(&self) -> bool {
        self.settings.request.repeatable() == Repeatable::Yes
            && (self.answering.get() || self.watch.may_resend())
    }

    /// Remembers whether it answers well. What the gateway itself lacked, memory or a descriptor, tells nothing of that.
    fn answered(&self, result: &Result<Reply, Failure>) {
        let is_ours = |failure: &Failure| {
            failure.kind == FailureKind::Overload || failure.fault == Party::Gateway
        };
        if !result.as_ref().is_err_and(is_ours) {
            self.answering.set(result.is_ok());
        }
    }

    /// Tells whether a connection may take another request after an answer like this was read to its end. Some servers close it
    /// without a word once a handler has failed or a request was refused, which a request that can be sent again survives.
    fn is_trusted_after(&self, result: &Result<Reply, Failure>) -> bool {
        self.is_trusted_with(match result {
            Ok(reply) => Some(reply.status),
            Err(failure) => failure.status,
        })
    }

    fn is_trusted_with(&self, status: Option<StatusCode>) -> bool {
        self.settings.request.repeatable() == Repeatable::Yes || status.is_some_and(is_good)
    }

    /// One request and its answer. The connection goes back to the pool if it is still good after that.
    async fn exchange(
        &self,
        mut connection: Connection,
        client: &ClientContext,
        id: AttemptId,
        head: &HeadStatus,
    ) -> Ended {
        let mut reading = Reading::new(Rules {
            head_only: self.settings.request.method == Method::HEAD,
            success: &self.settings.request.success,
            framed: self.settings.request.framed,
            bounds: Bounds {
                own: self.settings.request.max_body,
                shared: &client.allowance,
            },
            depth: u16::try_from(self.settings.request.max_depth).unwrap_or(u16::MAX),
            status: head,
            advised: self.advised.as_deref(),
        });
        let stream = &mut *connection.stream;
        let done = match self.send(stream, client, id, &mut reading).await {
            Ok(()) => read(stream, &mut reading).await,
            // It may have answered before it stopped reading. Such an answer is a connection's last.
            Err(error) => match read(stream, &mut reading).await {
                Ok(()) if reading.is_answered() => {
                    reading.spend();
                    Ok(())
                }
                // What was read last says more than that nothing could be written.
                read => read.and(Err(error)),
            },
        };
        if let Err(error) = done {
            tracing::debug!(%error, "an exchange broke off");
            // With TLS 1.3, a client learns only here that its certificate was refused.
            if !reading.is_answered()
                && let Some(reason) = tls::alert(&error)
            {
                return Ended::Stale(Failure::new(FailureKind::Tls, reason));
            }
            reading.end(false);
        }
        // What begins no answer is left over from the one before.
        let is_stale = !reading.is_answered() || reading.is_garbled();
        let idle = reading.idle().min(self.keep_alive);
        // On the heap, as it is rare.
        let unpacking = reading
            .packed()
            .map(|packed| (packed.status(), inflate::unpack(packed).boxed_local()));
        if let Some((status, unpacked)) = unpacking {
            if reading.lasts() && self.is_trusted_with(Some(status)) {
                self.pool.keep(connection, idle);
            } else {
                drop(connection);
            }
            return Ended::Settled(unpacked.await);
        }
        let (result, lasts) = reading.outcome();
        if lasts && self.is_trusted_after(&result) {
            self.pool.keep(connection, idle);
        }
        match result {
            Err(failure) if is_stale => Ended::Stale(failure),
            result => Ended::Settled(result),
        }
    }

    async fn send(
        &self,
        stream: &mut dyn Stream,
        client: &ClientContext,
        id: AttemptId,
        reading: &mut Reading<'_>,
    ) -> io::Result<()> {
        let (bytes, body) = self.template.bytes(client, id);
        stream.write_all(&bytes).await?;
        drop(bytes);
        if !body.is_empty() {
            // On the heap, as it is rare.
            Box::pin(send_body(stream, body, reading)).await?;
        }
        stream.flush().await
    }
}

impl Upstream for Adapter {
    type Context = ClientContext;

    async fn attempt(
        &self,
        client: &ClientContext,
        id: AttemptId,
        until: Instant,
        head: &HeadStatus,
    ) -> Result<Reply, Failure> {
        let mut kept = self.pool.kept().await;
        let result = loop {
            let is_kept = kept.is_some();
            let connection = match kept.take() {
                Some(connection) => connection,
                None => match self.pool.open(until).await {
                    Ok(connection) => connection,
                    Err(failure) => break Err(failure),
                },
            };
            match self.exchange(connection, client, id, head).await {
                Ended::Settled(result) => break result,
                // It had been closed, or something was left over on it. A new one certainly is neither.
                Ended::Stale(_) if is_kept && self.may_resend() => self.watch.resent(),
                Ended::Stale(failure) => break Err(failure),
            }
        };
        self.answered(&result);
        result
    }
}

/// The time that a connection may wait for its next request, if its upstream doesn't say less.
fn keep_alive(settings: &Settings) -> Duration {
    let body = settings.request.body.as_ref().map_or(0, Bytes::len);
    match settings.request.repeatable() {
        Repeatable::Yes => settings.service.keep_alive,
        Repeatable::No if body > READ_FOR_SURE => Duration::ZERO,
        Repeatable::No => settings.service.keep_alive / YOUNG,
    }
}

fn is_good(status: StatusCode) -> bool {
    status.as_u16() < 400
}

/// Sends a large body, and reads whenever it isn't taken: an upstream may answer before it has all of it, and then read no
/// more. Such an answer is a connection's last, and the rest of the body is not sent.
async fn send_body(
    stream: &mut dyn Stream,
    mut body: &[u8],
    reading: &mut Reading<'_>,
) -> io::Result<()> {
    poll_fn(|cx| {
        while !body.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, body)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(size) => body = &body[size..],
                Poll::Pending => {
                    ready!(poll_piece(stream, reading, cx))?;
                    if reading.is_begun() {
                        reading.spend();
                        break;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Reads an answer to its end; one that nobody wants, as far as it comes at once.
async fn read(stream: &mut dyn Stream, reading: &mut Reading<'_>) -> io::Result<()> {
    while !reading.is_over() {
        if reading.is_drained() {
            // On the heap, as it is rare. Late or not, the answer's status is all that the call needs.
            let _ = Box::pin(timeout(DRAIN_TIME, drain(stream, reading))).await;
            break;
        }
        read_some(stream, reading).await?;
    }
    Ok(())
}

async fn drain(stream: &mut dyn Stream, reading: &mut Reading<'_>) -> io::Result<()> {
    while !reading.is_over() {
        read_some(stream, reading).await?;
    }
    Ok(())
}

/// Reads what there is, at least a byte or the end.
async fn read_some(stream: &mut dyn Stream, reading: &mut Reading<'_>) -> io::Result<()> {
    if let Some((body, left)) = reading.room() {
        let size = stream.read_buf(&mut body.limit(left)).await?;
        match size {
            0 => reading.end(true),
            size => reading.filled(size),
        }
        return Ok(());
    }
    poll_fn(|cx| poll_piece(stream, reading, cx)).await
}

/// Reads a piece, or the end.
fn poll_piece(
    stream: &mut dyn Stream,
    reading: &mut Reading<'_>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut space = [const { MaybeUninit::uninit() }; PIECE];
    let mut piece = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
    match piece.filled() {
        [] => reading.end(true),
        bytes => reading.push(bytes),
    }
    Poll::Ready(Ok(()))
}
