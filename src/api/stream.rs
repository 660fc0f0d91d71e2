//! An aggregate's answer as a stream: each result leaves the moment it is settled. The body owns its run and drives it
//! itself, so nothing is spawned: a body that is dropped, because its client has gone, cancels what runs, and one that
//! nobody reads from makes its run wait.

use std::{
    cell::{OnceCell, RefCell},
    convert::Infallible,
    future::Future as _,
    ops::RangeInclusive,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        Method,
        header::{self, Header as _, HeaderName, Quality, QualityItem},
    },
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use mime::Mime;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    head::LONGEST_LIST,
    job::{GATHER_MODE, Job, Onlookers, put},
    passed::passed,
    problem::Problem,
    query::{Query, Run},
    summary::Summary,
};
use crate::{
    compose::{self, Comparison, END, Framing},
    exchange::{Allowance, Charge, ClientContext},
    fanout::{self, Choice, Event, Mode, Observer, Outcome, Pace, Permit, Upstream},
    timing::{server_timing, server_timing_of_both},
};

const GATHER_CALLS: HeaderName = HeaderName::from_static("gather-calls");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks whoever is on the way to pass each piece on as it comes (RFC 10036).
const INCREMENTAL: HeaderName = HeaderName::from_static("incremental");
/// The same for nginx.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The bytes that may wait for their client before the run waits too. They may be more by one result.
const ROOM: usize = 4 * 1024;

/// The bytes that are handed to the connection at a time. It holds one such piece beside what its client has not taken, in a
/// buffer that grows by doubling.
const PIECE: usize = 2 * 1024;

/// The time that a run may be left alone without a doubt about what its attempts did meanwhile.
const UNNOTICED: Duration = Duration::from_millis(50);

/// The longest silence of a stream of events: well within what balancers and proxies allow a silent connection,
/// which is 30 s where it is little.
const HEARTBEATS: Duration = Duration::from_secs(5);

/// The parameter of a media type by which a reader of lines asks for heartbeats, in seconds.
const HEARTBEAT_PARAMETER: &str = "heartbeat";

/// The distance that heartbeats of lines may have, in seconds.
const HEARTBEAT_SECONDS: RangeInclusive<u64> = 1..=300;

/// A stream as its client wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The way in which its messages are told apart.
    pub(super) framing: Framing,
    /// The longest silence before it says that it is alive.
    heartbeats: Option<Duration>,
}

/// Reads from a request whether it wants a stream: where it names one and doesn't rather have JSON.
pub(super) fn wanted(request: &HttpRequest) -> Option<Wanted> {
    let field = request.headers().get(header::ACCEPT)?;
    let names = |media_type: &str| {
        let bytes = field.as_bytes();
        let mut parts = bytes.windows(media_type.len());
        parts.any(|part| part.eq_ignore_ascii_case(media_type.as_bytes()))
    };
    // Nearly no request does, and reading the field costs more.
    let named = [Framing::Lines, Framing::Events]
        .iter()
        .any(|framing| names(framing.media_type()));
    if request.method() != Method::GET || !(named || has_more(request)) {
        return None;
    }
    let accept = header::Accept::parse(request).ok()?;
    let item = |media_type: &str| {
        let items = accept.iter();
        items
            .filter(|item| item.item.essence_str() == media_type)
            .max_by_key(|item| item.quality)
    };
    let json = item("application/json").map(|item| item.quality);
    // The most specific range counts (RFC 9110, section 12.5.1). Who names a stream prefers it to what only a range takes.
    let ranged = ["application/*", "*/*"].into_iter().find_map(item);
    let ranged = ranged.map(|item| item.quality);
    let is_preferred = |weight: Quality| match (json, ranged) {
        (Some(json), _) => weight > json,
        (None, Some(ranged)) => weight >= ranged,
        (None, None) => true,
    };
    [Framing::Lines, Framing::Events]
        .into_iter()
        .filter_map(|framing| Some((framing, item(framing.media_type())?)))
        .filter(|(_, item)| item.quality > Quality::ZERO && is_preferred(item.quality))
        // The first of those that weigh the same.
        .rev()
        .max_by_key(|(_, item)| item.quality)
        .map(|(framing, item)| Wanted {
            framing,
            heartbeats: heartbeats(framing, item),
        })
}

/// The longest silence of a stream: events have a bound of their own, lines only where their reader asks for one. Who does
/// has to pass over empty lines.
fn heartbeats(framing: Framing, item: &QualityItem<Mime>) -> Option<Duration> {
    match framing {
        Framing::Events => Some(HEARTBEATS),
        Framing::Lines => {
            let seconds = item.item.get_param(HEARTBEAT_PARAMETER)?.as_str();
            let seconds = seconds.parse().ok();
            seconds
                .filter(|seconds| HEARTBEAT_SECONDS.contains(seconds))
                .map(Duration::from_secs)
        }
    }
}

/// Tells whether the field that was looked at is not the only one of its name.
fn has_more(request: &HttpRequest) -> bool {
    request.headers().get_all(header::ACCEPT).nth(1).is_some()
}

/// Tells whether a browser connects once more after its stream's end, as `EventSource` does unless it is closed. An answer of 204
/// tells it to stop; anything else would run the aggregate again and again.
pub(super) fn has_ended(request: &HttpRequest, framing: Framing) -> bool {
    let last = request.headers().get(LAST_EVENT_ID);
    framing == Framing::Events && last.is_some_and(|id| id.as_bytes() == END.as_bytes())
}

/// The answer to a browser whose stream has ended, unless what it asks is refused.
pub(super) fn over<U: Upstream<Context = ClientContext>>(
    job: &Job<U>,
    query: &Query<'_>,
    wait: Option<Duration>,
) -> Result<HttpResponse, Problem> {
    announced(job, query, wait)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Begins the stream of what comes of `job`, which keeps its `place` to the end.
pub(super) fn start<U>(
    job: Job<U>,
    Wanted {
        framing,
        heartbeats,
    }: Wanted,
    query: Query<'static>,
    wait: Option<Duration>,
    place: Permit,
) -> Result<HttpResponse, Problem>
where
    U: Upstream<Context = ClientContext> + 'static,
{
    let (mode, names) = announced(&job, &query, wait)?;
    let mut response = HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, framing.media_type()))
        // Whoever transforms a stream holds it back.
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header((header::VARY, "accept"))
        .insert_header((INCREMENTAL, "?1"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .finish();
    put(&mut response, GATHER_MODE, mode);
    // In part it would be taken for the whole. Each result has its call's name.
    if names.len() <= LONGEST_LIST {
        put(&mut response, GATHER_CALLS, &names);
    }
    if let Some(account) = &job.account {
        account.set_streamed();
    }
    let outbox = Rc::new(Outbox::new(framing));
    let run = {
        let outbox = Rc::clone(&outbox);
        // The plan was made once already, so it can be made again.
        async move {
            let told = Telling {
                job: &job,
                outbox: Rc::clone(&outbox),
            };
            let _ = match query.run {
                Run::Once(mode) => told.once(&query.choice(wait), mode).await,
                // On the heap: it is larger by far, and a stream that runs once would hold as much.
                Run::Compare => Box::pin(told.compare(&query.choice(wait))).await,
            };
            outbox.keep(job.client.allowance);
        }
    };
    let body = Stream {
        run: Some(Box::pin(run)),
        outbox,
        // Some proxies hold an answer's head back until a byte of its body comes.
        rest: match framing {
            Framing::Events => Bytes::from_static(framing.heartbeat()),
            Framing::Lines => Bytes::new(),
        },
        heartbeat: heartbeats.map(Heartbeat::every),
        handed: None,
        _place: place,
    };
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

/// The stream's mode and the names of its calls, or what is wrong with the request: it has to be said before the stream
/// begins.
fn announced<U: Upstream<Context = ClientContext>>(
    job: &Job<U>,
    query: &Query<'_>,
    wait: Option<Duration>,
) -> Result<(&'static str, String), Problem> {
    let configured = job.exposed().aggregate.rules.mode;
    let (mode, shown) = match query.run {
        Run::Once(mode) => (
            mode.unwrap_or(configured),
            mode.unwrap_or(configured).as_str(),
        ),
        Run::Compare => {
            job.may_compare()?;
            (Mode::Sequential, "compare")
        }
    };
    let plan = job.plan(&query.choice(wait), mode, job.began)?;
    let names: Vec<_> = plan.names().collect();
    Ok((shown, names.join(",")))
}

/// The bytes that wait to be sent.
struct Outbox {
    framing: Framing,
    bytes: RefCell<Vec<u8>>,
    pace: Rc<Pace>,
    /// The charge of the request, once its run is over: the end of the stream may wait for long.
    charge: OnceCell<Charge>,
}

impl Outbox {
    fn new(framing: Framing) -> Self {
        Self {
            framing,
            bytes: RefCell::default(),
            pace: Rc::default(),
            charge: OnceCell::new(),
        }
    }

    fn write(&self, message: impl FnOnce(Framing, &mut Vec<u8>)) {
        let mut bytes = self.bytes.borrow_mut();
        message(self.framing, &mut bytes);
        self.pace.full(bytes.len() >= ROOM);
    }

    /// Charges `allowance` no more than what waits to be sent: the bodies of results that were told are not kept.
    fn told(&self, allowance: &Allowance) {
        allowance.passed_on(self.bytes.borrow().len());
    }

    /// Keeps the charge for what is still to be sent.
    fn keep(&self, allowance: Allowance) {
        self.told(&allowance);
        if let Some(charge) = allowance.into_charge() {
            let _ = self.charge.set(charge);
        }
    }

    /// All there is. After it there is room again.
    fn take(&self) -> Bytes {
        self.pace.full(false);
        self.bytes.take().into()
    }
}

/// Runs a job and tells of it as it goes.
struct Telling<'a, U> {
    job: &'a Job<U>,
    outbox: Rc<Outbox>,
}

impl<U: Upstream<Context = ClientContext>> Telling<'_, U> {
    async fn once(&self, choice: &Choice<'_>, mode: Option<Mode>) -> Result<(), Problem> {
        let aggregate = &self.job.exposed().aggregate;
        let deadline = aggregate.deadline(choice, self.job.began);
        let mode = mode.unwrap_or(aggregate.rules.mode);
        let outcome = self
            .run(choice, mode, deadline, self.job.began, None)
            .await?;
        let timing = server_timing(self.job.began.elapsed(), &outcome, LONGEST_LIST);
        let passed = passed(&self.job.exposed().pass_status, &outcome);
        let problem = Problem::of_run(outcome.verdict, passed.as_deref());
        self.end(problem, &timing, |json| {
            compose::summary(json, &aggregate.name, &outcome);
        });
        self.job.sum_up(|| Summary::of(&aggregate.name, &outcome));
        Ok(())
    }

    async fn compare(&self, choice: &Choice<'_>) -> Result<(), Problem> {
        let aggregate = &self.job.exposed().aggregate;
        let deadline = aggregate.deadline(choice, self.job.began);
        let [sequential, concurrent] =
            [Mode::Sequential, Mode::Concurrent].map(|mode| async move {
                self.run(choice, mode, deadline, Instant::now(), Some(mode))
                    .await
            });
        let (sequential, concurrent) = (sequential.await?, concurrent.await?);
        let runs = Comparison {
            sequential: &sequential,
            concurrent: &concurrent,
        };
        let total = self.job.began.elapsed();
        let timing = server_timing_of_both(total, [&sequential, &concurrent], LONGEST_LIST);
        let passed = self.job.passed_of_either(runs);
        let problem = Problem::of_run(runs.verdict(), passed.as_deref());
        self.end(problem, &timing, |json| {
            compose::comparison_summary(json, &aggregate.name, runs, total);
        });
        self.job.sum_up(|| Summary::of_both(&aggregate.name, runs));
        Ok(())
    }

    /// One run, counted from `began`; `shown` is its mode where results have to say which run they are of.
    async fn run(
        &self,
        choice: &Choice<'_>,
        mode: Mode,
        deadline: Instant,
        began: Instant,
        shown: Option<Mode>,
    ) -> Result<Outcome, Problem> {
        let plan = self.job.plan(choice, mode, deadline)?;
        let plan = plan.paced(Rc::clone(&self.outbox.pace));
        let guard = self.job.counted_from(began, mode).streamed();
        let teller = Teller {
            onlookers: self.job.onlookers(mode),
            outbox: &self.outbox,
            allowance: &self.job.client.allowance,
            run: shown,
        };
        let outcome = fanout::run(&plan, &self.job.client, &teller).await;
        let passed = passed(&self.job.exposed().pass_status, &outcome);
        let guard = guard.passing(passed.map(|passed| passed.status));
        guard.finish(&outcome);
        Ok(outcome)
    }

    /// The last message: what `members` writes, the timing, and what makes it a problem where it is one.
    fn end(&self, problem: Option<Problem>, timing: &str, members: impl FnOnce(&mut Vec<u8>)) {
        self.outbox.write(|framing, out| {
            framing.outcome(out, |json| {
                members(json);
                json.extend_from_slice(b",\"server_timing\":");
                compose::string(json, timing);
                if let Some(problem) = &problem {
                    json.push(b',');
                    problem.members(json);
                }
            });
        });
        if let Some(problem) = problem {
            self.job.gateway.metrics.process().problem(problem.kind());
        }
    }
}

/// Puts each result into the outbox as it is settled.
struct Teller<'a> {
    onlookers: Onlookers<'a>,
    outbox: &'a Outbox,
    allowance: &'a Allowance,
    run: Option<Mode>,
}

impl Observer for Teller<'_> {
    fn observe(&self, event: &Event<'_>) {
        self.onlookers.observe(event);
        if let Event::CallSettled { call, result, .. } = *event {
            self.outbox
                .write(|framing, out| framing.result(out, self.run, call, result));
            self.outbox.told(self.allowance);
        }
    }
}

/// The body of a streamed answer.
struct Stream {
    /// Until it is over.
    run: Option<LocalBoxFuture<'static, ()>>,
    outbox: Rc<Outbox>,
    /// The bytes that were taken from the outbox and not handed over yet.
    rest: Bytes,
    heartbeat: Option<Heartbeat>,
    /// The moment at which the last piece was handed over, until the next is asked for.
    handed: Option<Instant>,
    /// Its place among the requests in flight.
    _place: Permit,
}

/// The bound on a stream's silence.
struct Heartbeat {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Heartbeat {
    fn every(every: Duration) -> Self {
        Self {
            every,
            next: Box::pin(sleep(every)),
        }
    }
}

impl Stream {
    fn piece(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            self.rest = self.outbox.take();
        }
        let size = self.rest.len().min(PIECE);
        (size > 0).then(|| self.rest.split_to(size))
    }
}

impl MessageBody for Stream {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = &mut *self;
        let now = Instant::now();
        let kept = |handed| now.saturating_duration_since(handed) > UNNOTICED;
        if this.handed.take().is_some_and(kept) {
            this.outbox.pace.held();
        }
        let mut piece = this.piece();
        if piece.is_none()
            && let Some(run) = &mut this.run
        {
            if run.as_mut().poll(cx).is_ready() {
                this.run = None;
            }
            piece = this.piece();
        }
        if piece.is_none() {
            if this.run.is_none() {
                return Poll::Ready(None);
            }
            let Some(heartbeat) = &mut this.heartbeat else {
                return Poll::Pending;
            };
            if heartbeat.next.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            piece = Some(Bytes::from_static(this.outbox.framing.heartbeat()));
        }
        if let Some(heartbeat) = &mut this.heartbeat {
            heartbeat.next.as_mut().reset(now + heartbeat.every);
        }
        this.handed = Some(now);
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
