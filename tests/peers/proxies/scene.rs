//! The scene behind a proxy: two gateways, the services that they call, and a signal for each service to answer. It
//! must not know of proxies.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;

use super::answered;
use crate::{
    program::{Running, eventually},
    upstream::{Behaviour, Response, Upstream},
};

/// The number of calls of the aggregate `steps`. Each of them waits for its own signal.
pub(super) const STEPS: usize = 6;

/// The number of aggregates that a gateway takes at a time.
pub(super) const MOST: usize = 64;

/// The time of a quick service, so that a stop always meets requests under way.
const QUICK: Duration = Duration::from_millis(20);

/// The time of a slow service. It is longer than any proxy waits by default.
const SLOW: Duration = Duration::from_secs(17);

/// Two gateways and the services behind them.
pub(super) struct Scene {
    pub(super) gateways: [Option<Running>; 2],
    pub(super) addresses: [SocketAddr; 2],
    /// A service that never answers.
    pub(super) hanging: Upstream,
    /// A service that answers after [`QUICK`].
    pub(super) quick: Upstream,
    steps: Steps,
    toml: String,
    _others: [Upstream; 3],
}

type Steps = Arc<Mutex<Vec<watch::Sender<bool>>>>;

impl Scene {
    pub(super) fn start() -> Self {
        let steps = Steps::default();
        let stepping = Upstream::start({
            let steps = Arc::clone(&steps);
            move |request| {
                let number: usize = request.path()[1..].parse().unwrap();
                Behaviour::from(Response::pong()).when(&steps.lock().unwrap()[number])
            }
        });
        let hanging = Upstream::always(Behaviour::HangBeforeHead);
        let quick = Upstream::always(Behaviour::from(Response::pong()).after(QUICK));
        let slow = Upstream::always(Behaviour::from(Response::pong()).after(SLOW));
        let failing = Upstream::always(Response::new(500));
        let mut toml = format!(
            "server.max_in_flight = {MOST}\nserver.drain = \"60s\"\ndefaults.timeout = \"30s\"\n\
             upstreams.quick.url = \"{}\"\n\
             upstreams.quick.forward_query = [\"fields\"]\n\
             upstreams.quick.forward_headers = [\"x-forwarded-for\", \"x-forwarded-proto\"]\n\
             upstreams.hanging.url = \"{}\"\nupstreams.failing.url = \"{}\"\nupstreams.slow.url = \"{}\"\n",
            quick.url("/"),
            hanging.url("/"),
            failing.url("/"),
            slow.url("/"),
        );
        let mut names = Vec::new();
        for number in 0..STEPS {
            let url = stepping.url(&format!("/{number}"));
            writeln!(toml, "upstreams.step_{number}.url = \"{url}\"").unwrap();
            names.push(format!("\"step_{number}\""));
        }
        let names = names.join(", ");
        for (aggregate, calls, deadline) in [
            ("default", "\"quick\"", "10s"),
            ("hanging", "\"hanging\"", "30s"),
            ("departing", "\"quick\", \"hanging\"", "30s"),
            ("failing", "\"failing\"", "10s"),
            ("slow", "\"slow\"", "30s"),
            ("late", "\"hanging\"", "50ms"),
            ("steps", names.as_str(), "30s"),
        ] {
            let aggregate = format!("aggregates.{aggregate}");
            writeln!(
                toml,
                "{aggregate}.calls = [{calls}]\n{aggregate}.deadline = \"{deadline}\""
            )
            .unwrap();
        }
        let [(one, at_one), (two, at_two)] = [Running::serve(&toml), Running::serve(&toml)];
        Self {
            gateways: [Some(one), Some(two)],
            addresses: [at_one, at_two],
            hanging,
            quick,
            steps,
            toml,
            _others: [stepping, failing, slow],
        }
    }

    /// Makes the steps of all further requests wait for their signal.
    pub(super) fn wait_with_steps(&self) {
        let steps = (0..STEPS).map(|_| watch::Sender::new(false)).collect();
        *self.steps.lock().unwrap() = steps;
    }

    /// Lets the requests for a step be answered.
    pub(super) fn take_step(&self, number: usize) {
        self.steps.lock().unwrap()[number].send_replace(true);
    }

    /// Starts the gateway of this place again, at its old address.
    pub(super) fn start_again(&mut self, place: usize) {
        let (running, _) = Running::serve_at(self.addresses[place], &self.toml);
        self.gateways[place] = Some(running);
    }

    /// Waits until the gateway of this place has answered `more` aggregates from now on.
    pub(super) fn wait_answered(&self, place: usize, more: f64) {
        let before = answered(self.addresses[place]);
        eventually("answers by each gateway", || {
            (answered(self.addresses[place]) >= before + more).then_some(())
        });
    }
}
