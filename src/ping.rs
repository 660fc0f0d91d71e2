//! The dummy upstream of the story: `GET /ping` answers `"pong"` after a delay. `gather ping` serves it, `gather demo`
//! calls it, and tests aggregate it. It must not know the gateway: no plan, no configuration file, no metric of
//! Gather's.

mod query;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    body::SizedStream,
    dev::Server,
    guard,
    http::{
        KeepAlive, StatusCode,
        header::{ALLOW, CACHE_CONTROL},
    },
    web,
};
use bytes::Bytes;
use futures_util::stream;

pub use query::{BadParameter, parse_body_bytes, parse_delay, parse_fail_rate};

/// The longest delay and the longest jitter that can be asked for. Nobody waits longer, and a typo must not hold a
/// connection for a year.
pub const LONGEST_DELAY: Duration = Duration::from_secs(60 * 60);

/// The largest body that can be asked for, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// The smallest body that can be asked for, in bytes: the two quotes of an empty JSON string.
pub const SMALLEST_BODY: usize = 2;

/// The time that an idle connection stays open. It is longer than a gateway keeps a connection pooled (4 s with
/// Gather). So the gateway closes it, and no request meets a connection that was just closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The size of the blocks in which a body is sent. A large body is therefore never in memory as a whole.
const BLOCK: usize = 64 * 1024;

const METHODS: &str = "GET, HEAD";

/// The behaviour of `/ping`, unless a request's query changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Time from the request to the answer, at most [`LONGEST_DELAY`].
    pub delay: Duration,
    /// The largest difference from `delay`. The time is spread evenly to both sides and is never below zero.
    pub jitter: Duration,
    /// The share of requests that are answered 500, from 0 (none) to 1 (all).
    pub fail_rate: f64,
    /// The exact length of the JSON body in bytes, [`SMALLEST_BODY`] to [`LARGEST_BODY`]; `None` for `"pong"`.
    pub body_bytes: Option<usize>,
}

impl Default for Settings {
    /// Answers after two seconds, always the same, and never fails: the service of the story.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(2),
            jitter: Duration::ZERO,
            fail_rate: 0.0,
            body_bytes: None,
        }
    }
}

/// An event that a [`PingObserver`] is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A request to `/ping` begins.
    Started,
    /// The request is over: its answer is on its way, or its client went away.
    Ended,
}

/// A function that is told about every well-formed request to `/ping`: one `Ended` for each `Started`. The server's
/// threads call it, so it must not block.
pub type PingObserver = Arc<dyn Fn(Seen) + Send + Sync>;

/// Returns a function that adds the routes of the dummy upstream to the caller's own [`App`], such as a test server.
pub fn configure(settings: Settings) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    routes(settings, None)
}

/// Serves the dummy upstream on `listener` with `workers` threads (at least one).
///
/// The server runs as soon as the returned future is polled or spawned. Clients that connect earlier wait in the
/// listener's queue. The caller handles signals. A client that closes its connection ends its request at once.
///
/// # Errors
/// Fails if the listener can't be made ready for use.
pub fn serve(
    listener: TcpListener,
    settings: Settings,
    workers: usize,
    watch: Option<PingObserver>,
) -> io::Result<Server> {
    let server = HttpServer::new(move || App::new().configure(routes(settings, watch.clone())))
        .workers(workers.max(1))
        .disable_signals()
        .h1_allow_half_closed(false)
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .tcp_nodelay(true)
        .listen(listener)?;
    Ok(server.run())
}

fn routes(
    settings: Settings,
    watch: Option<PingObserver>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    let reads = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    move |config| {
        let watch = watch.clone();
        config
            .service(
                web::resource("/ping")
                    .route(
                        reads()
                            .to(move |request: HttpRequest| ping(request, settings, watch.clone())),
                    )
                    .default_service(web::to(refuse_method)),
            )
            .service(
                web::resource("/livez")
                    .route(reads().to(alive))
                    .default_service(web::to(refuse_method)),
            )
            .default_service(web::to(not_found));
    }
}

async fn ping(
    request: HttpRequest,
    settings: Settings,
    watch: Option<PingObserver>,
) -> HttpResponse {
    let wanted = match query::wanted(settings, request.query_string()) {
        Ok(wanted) => wanted,
        Err(mistakes) => {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            return problem(StatusCode::BAD_REQUEST, &all.join("; "));
        }
    };
    let _guard = watch.map(Observed::start);
    let delay = spread(wanted.settings.delay, wanted.settings.jitter);
    // A timer waits at least a millisecond. An upstream without a delay must not wait.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let status = wanted
        .status
        .unwrap_or_else(|| drawn_status(wanted.settings.fail_rate));
    match status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
            HttpResponse::build(status)
                .insert_header((CACHE_CONTROL, "no-store"))
                .finish()
        }
        status if status.is_success() => pong(status, wanted.settings.body_bytes),
        status => problem(
            status,
            "this answer was asked for, by a query parameter or by the fail rate",
        ),
    }
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(mime::APPLICATION_JSON)
        .body(r#"{"status":"alive"}"#)
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!(
        "nothing at {}; there are /ping and /livez",
        query::shown(request.path())
    );
    problem(StatusCode::NOT_FOUND, &detail)
}

async fn refuse_method(request: HttpRequest) -> HttpResponse {
    let detail = format!(
        "{} is not allowed here; {METHODS} are",
        query::shown(request.method().as_str())
    );
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &detail);
    response.headers_mut().insert(
        ALLOW,
        actix_web::http::header::HeaderValue::from_static(METHODS),
    );
    response
}

/// Picks a time evenly from the whole range. The range's lower end is cut off at zero.
fn spread(delay: Duration, jitter: Duration) -> Duration {
    if jitter.is_zero() {
        return delay;
    }
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(fastrand::u64(
        nanos(delay.saturating_sub(jitter))..=nanos(delay.saturating_add(jitter)),
    ))
}

fn drawn_status(fail_rate: f64) -> StatusCode {
    // `f64()` is below one. So 0 never fails, and 1 always fails.
    if fastrand::f64() < fail_rate {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    }
}

fn pong(status: StatusCode, body_bytes: Option<usize>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(mime::APPLICATION_JSON);
    match body_bytes {
        None => response.body(Bytes::from_static(b"\"pong\"")),
        Some(length) if length <= BLOCK => response.body(block(0, length, length)),
        Some(length) => {
            let blocks = (0..length).step_by(BLOCK).map(move |start| {
                Ok::<_, Infallible>(block(start, (start + BLOCK).min(length), length))
            });
            response.body(SizedStream::new(length as u64, stream::iter(blocks)))
        }
    }
}

/// Returns the bytes from `start` to `end` of a JSON string: "pong", over and over. `length` is its size with the
/// quotes.
fn block(start: usize, end: usize, length: usize) -> Bytes {
    (start..end)
        .map(|at| {
            if at == 0 || at + 1 == length {
                b'"'
            } else {
                b"pong"[(at - 1) % 4]
            }
        })
        .collect::<Vec<u8>>()
        .into()
}

/// Makes an error answer by RFC 9457. Its type is `about:blank`, which means that the status says everything.
fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Unknown status"),
        "status": status.as_u16(),
        "detail": detail,
    });
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/problem+json")
        .body(body.to_string())
}

/// Tells the watch about the end of a request, even if the request is dropped while it waits.
struct Observed(PingObserver);

impl Observed {
    fn start(watch: PingObserver) -> Self {
        watch(Seen::Started);
        Self(watch)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        (self.0)(Seen::Ended);
    }
}
