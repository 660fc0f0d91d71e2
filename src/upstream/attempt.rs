//! One attempt: sends a prepared request over a service's wire, takes its whole answer, and names a failure by its
//! class. It must not know the call's other attempts.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BufMut as _;
use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

use super::{
    expectation::Expectation,
    inflate, list,
    pool::{Connection, Stream},
    prepare::PreparedRequest,
    reading::Reading,
    request::Template,
    rules::Rules,
    tls,
    turn::{Composition, Sending},
    wire::Wire,
};
use crate::exchange::ClientContext;
use crate::fanout::{
    Body, Earlier, Failure, FailureKind, Question, Repeatable, Reply, Turn, Upstream,
};

/// The time that the rest of a failed answer may keep a call waiting. The rest usually came with the head.
const DRAIN_TIME: Duration = Duration::from_millis(20);

/// The bytes that are read at once if the length of the rest is unknown. They lie on the stack, so a waiting call holds
/// no buffer.
const PIECE: usize = 8 * 1024;

/// The way to send one request to its service from one worker thread. Several may share a wire.
pub struct Adapter {
    wire: Rc<Wire>,
    template: Template,
    /// The parts that are made from values, if there are any.
    composition: Option<Composition>,
    request: PreparedRequest,
    repeatable: Repeatable,
}

/// The end of an exchange.
enum Ended {
    /// It ended with an answer, or with a failure that sending again does not mend.
    Settled(Result<Reply, Failure>),
    /// The connection was closed before a byte of an answer came, or it brought bytes that begin no answer.
    Stale(Failure),
}

impl Adapter {
    /// Makes the request's bytes ready, to be sent over this wire.
    #[must_use]
    pub fn new(wire: &Rc<Wire>, request: &PreparedRequest) -> Self {
        let repeatable = request.repeatable();
        wire.announce(repeatable);
        Self {
            template: request.template(wire.service()),
            composition: request.composition(wire.service()),
            wire: Rc::clone(wire),
            request: request.clone(),
            repeatable,
        }
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) const fn template(&self) -> &Template {
        &self.template
    }

    fn may_resend(&self) -> bool {
        self.repeatable == Repeatable::Yes && self.wire.may_resend()
    }

    /// Sends one request and reads its answer. The connection goes back to the pool if it is still good after that.
    async fn exchange(
        &self,
        mut connection: Connection,
        question: &Question<'_, Self>,
        expected: Option<&Expectation<'_>>,
    ) -> Ended {
        let request = self.request.request();
        let allowance = &question.context.allowance;
        let rules = Rules::of(request, allowance, question.head, self.request.advised());
        let mut reading = Reading::new(rules.expecting(expected));
        let stream = &mut *connection.stream;
        let done = match self.send(stream, question, &mut reading).await {
            Ok(()) => read(stream, &mut reading).await,
            // The upstream may have answered before it stopped reading. Such an answer is a connection's last.
            Err(error) => match read(stream, &mut reading).await {
                Ok(()) if reading.is_answered() => {
                    reading.spend();
                    Ok(())
                }
                // An error of reading says more than that nothing could be written.
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
        // Bytes that begin no answer are left over from the answer before.
        let is_stale = !reading.is_answered() || reading.is_garbled();
        let idle = reading.idle();
        let sent = match question.request {
            None => self.template.body_len(),
            Some(rendered) => rendered.body_len(),
        };
        // On the heap, as it is rare.
        let unpacking = reading
            .packed()
            .map(|packed| (packed.status(), inflate::unpack(packed).boxed_local()));
        if let Some((status, unpacked)) = unpacking {
            if reading.lasts() {
                self.wire.keep(connection, Some(status), sent, idle);
            } else {
                drop(connection);
            }
            return Ended::Settled(unpacked.await);
        }
        let (result, lasts) = reading.outcome();
        if lasts {
            self.wire.keep(connection, status_of(&result), sent, idle);
        }
        match result {
            Err(failure) if is_stale => Ended::Stale(failure),
            result => Ended::Settled(result),
        }
    }

    async fn send(
        &self,
        stream: &mut dyn Stream,
        question: &Question<'_, Self>,
        reading: &mut Reading<'_>,
    ) -> io::Result<()> {
        let Question { context, id, .. } = *question;
        let (bytes, body) = match question.request {
            None => self.template.bytes(context, id),
            Some(rendered) => rendered.bytes(context, id),
        };
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
    type Request = Sending;

    fn turn<'a>(&'a self, client: &'a ClientContext, earlier: Earlier<'a>) -> Turn<'a, Sending> {
        match &self.composition {
            None => Turn::Send(None),
            Some(composition) => composition.turn(client, earlier),
        }
    }

    fn list(&self, client: &ClientContext, bodies: Vec<Option<Body>>) -> Result<Body, Failure> {
        list::list(bodies, &client.allowance)
    }

    async fn attempt(&self, question: &Question<'_, Self>) -> Result<Reply, Failure> {
        let Question {
            context, request, ..
        } = *question;
        let composition = self.composition.as_ref();
        let expected =
            composition.and_then(|it| it.expectation(context, question.earlier, request));
        let mut kept = self.wire.kept(self.repeatable).await;
        let result = loop {
            let is_kept = kept.is_some();
            let connection = match kept.take() {
                Some(connection) => connection,
                None => match self.wire.open(question.until).await {
                    Ok(connection) => connection,
                    Err(failure) => break Err(failure),
                },
            };
            match self
                .exchange(connection, question, expected.as_deref())
                .await
            {
                Ended::Settled(result) => break result,
                // It had been closed, or bytes were left over on it. Neither can be true of a new one.
                Ended::Stale(_) if is_kept && self.may_resend() => self.wire.resent(),
                Ended::Stale(failure) => break Err(failure),
            }
        };
        self.wire.answered(&result);
        result
    }
}

/// Returns the answer's status, if one was read.
fn status_of(result: &Result<Reply, Failure>) -> Option<StatusCode> {
    match result {
        Ok(reply) => Some(reply.status),
        Err(failure) => failure.status,
    }
}

/// Sends a large body, and reads while the upstream doesn't take it. An upstream may answer before it has the whole
/// body, and then read no more. Such an answer is a connection's last, and the rest of the body is not sent.
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

/// Reads an answer to its end. If nobody needs the rest, it reads only the bytes that come at once.
async fn read(stream: &mut dyn Stream, reading: &mut Reading<'_>) -> io::Result<()> {
    while !reading.is_over() {
        if reading.is_drained() {
            // On the heap, as it is rare. The call needs only the status, even if the rest comes late.
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

/// Reads at least a byte, or the end.
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
