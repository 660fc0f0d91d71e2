//! Measures one scenario with one program in one round. It must not know what the figures are compared with.

use std::{io, time::Duration};

use tokio::runtime::Runtime;

use crate::{client, metrics::Metrics};

use super::{
    clients,
    machine::Cores,
    options::Options,
    peers::{How, Program},
    programs::{Plan, Running},
    results::Figure,
    scenario::{Kind, Scenario, Upstream},
    upstreams::{Delayed, Instantly},
    wrk,
};

/// The number of requests for which the total over the slowest call is measured, and the time between two of them.
const OVER_SLOWEST: u32 = 400;
const EVERY: Duration = Duration::from_millis(10);
/// The number of starts. The shortest one counts, as the other things that a start waits for are noise.
const STARTS: usize = 3;
/// The largest share of failed answers with which the figures mean something.
const FAILURES: f64 = 0.001;

/// The parts that are the same for all measurements.
pub struct Bench<'a> {
    pub options: &'a Options,
    pub cores: &'a Cores,
    pub instantly: &'a Instantly,
    pub runtime: &'a Runtime,
}

type Figures = Vec<(Figure, f64)>;

impl Bench<'_> {
    /// Measures one program and returns its figures.
    pub fn measure(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        match scenario.kind {
            Kind::Load => self.load(scenario, program, 1),
            Kind::Added => self.added(scenario, program),
            Kind::InFlight => self.in_flight(scenario, program),
            Kind::OverSlowest => self.over_slowest(scenario, program),
            Kind::Start => self.start(scenario, program),
            Kind::Workers => self.workers(scenario, program),
        }
    }

    fn load(&self, scenario: &Scenario, program: &Program, workers: usize) -> io::Result<Figures> {
        let delayed = self.delayed(scenario)?;
        let plan = self.plan(scenario, delayed.as_ref());
        let cores = if workers > 1 || scenario.kind == Kind::Workers {
            self.cores.all()
        } else {
            self.cores.measured()
        };
        let running = program.start(&plan, cores, workers)?;
        let (address, calls) = (running.address, scenario.calls);
        let warm_up =
            clients::warm_up(address, scenario.connections, calls, self.options.warm_up());
        self.runtime.block_on(warm_up)?;
        let url = format!("http://{address}/aggregate");
        let before = running.process.cpu();
        let report = wrk::run(
            &url,
            scenario.connections,
            self.options.seconds,
            scenario.close,
        )?;
        let cpu = running.process.cpu().saturating_sub(before).as_secs_f64();
        self.no_failures(program, &running, &report)?;
        Ok(vec![
            (Figure::Cpu, cpu * 1e6 / report.requests),
            (Figure::Rate, report.requests / report.seconds),
            (Figure::P50, report.p50 / 1e3),
            (Figure::P99, report.p99 / 1e3),
            (Figure::Busy, cpu * 100.0 / report.seconds),
        ])
    }

    fn added(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        let (address, path) = self.instantly.place(scenario);
        let url = format!("http://{address}{path}");
        let direct = wrk::run(&url, scenario.connections, self.options.seconds, false)?;
        let figures = self.load(scenario, program, 1)?;
        let p50 = figures.iter().find(|(figure, _)| *figure == Figure::P50);
        let added = p50.map(|(_, p50)| p50 * 1e3 - direct.p50);
        Ok(added
            .map(|added| (Figure::Added, added))
            .into_iter()
            .collect())
    }

    fn in_flight(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        let delayed = Delayed::start()?;
        let plan = self.plan(scenario, Some(&delayed));
        let running = program.start(&plan, self.cores.measured(), 1)?;
        let (address, calls) = (running.address, scenario.calls);
        self.runtime
            .block_on(clients::warm_up(address, 32, calls, self.options.warm_up()))?;
        delayed.delay(self.runtime, milliseconds(scenario))?;
        let before = running.process.memory();
        let memory = || running.process.memory();
        let most =
            self.runtime
                .block_on(clients::hold(address, scenario.connections, calls, memory))?;
        let held = delayed.most(self.runtime)? / calls as f64;
        Ok(vec![
            (
                Figure::Memory,
                most.saturating_sub(before) as f64 / 1024.0 / held,
            ),
            (Figure::Resting, before as f64 / 1024.0 / 1024.0),
            (Figure::Held, held),
        ])
    }

    fn over_slowest(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        let delayed = Delayed::start()?;
        let plan = self.plan(scenario, Some(&delayed));
        let running = program.start(&plan, self.cores.measured(), 1)?;
        let (address, calls) = (running.address, scenario.calls);
        let times = self.runtime.block_on(async {
            clients::warm_up(address, 32, calls, self.options.warm_up()).await?;
            self.runtime_delay(&delayed, 200).await?;
            let at_once = milliseconds(scenario) / EVERY.as_millis() as u64 + 10;
            let opened = clients::opened(address, calls, at_once as usize).await?;
            self.runtime_delay(&delayed, milliseconds(scenario)).await?;
            clients::over_slowest(address, calls, OVER_SLOWEST, EVERY, opened).await
        })?;
        let ms = |percentile: f64| times.percentile(percentile).as_secs_f64() * 1e3;
        Ok(vec![
            (Figure::OverP50, ms(50.0)),
            (Figure::OverP99, ms(99.0)),
        ])
    }

    async fn runtime_delay(&self, delayed: &Delayed, milliseconds: u64) -> io::Result<()> {
        let mut connection = client::Connection::open(delayed.address).await?;
        connection
            .ask(&format!("/delay/{milliseconds}"))
            .await
            .map(|_| ())
    }

    fn start(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        let plan = self.plan(scenario, None);
        let mut shortest = Duration::MAX;
        for _ in 0..STARTS {
            // `taskset` would become a part of the start.
            let running = self.cores.unpinned(|| program.start(&plan, None, 1))?;
            shortest = shortest.min(running.started);
        }
        Ok(vec![(Figure::Start, shortest.as_secs_f64() * 1e3)])
    }

    fn workers(&self, scenario: &Scenario, program: &Program) -> io::Result<Figures> {
        if !matches!(program.how, How::Gather(_)) {
            return Ok(Vec::new());
        }
        let of = |workers| -> io::Result<(f64, f64)> {
            let figures = self.load(scenario, program, workers)?;
            let find = |wanted| {
                figures
                    .iter()
                    .find(|(figure, _)| *figure == wanted)
                    .map_or(0.0, |found| found.1)
            };
            Ok((find(Figure::Rate), find(Figure::Cpu)))
        };
        let (one_rate, one_cpu) = of(1)?;
        let (two_rate, two_cpu) = of(2)?;
        Ok(vec![
            (Figure::TwoRate, two_rate / one_rate),
            (Figure::TwoCpu, two_cpu / one_cpu),
        ])
    }

    fn delayed(&self, scenario: &Scenario) -> io::Result<Option<Delayed>> {
        let Upstream::After(milliseconds) = scenario.upstream else {
            return Ok(None);
        };
        let delayed = Delayed::start()?;
        delayed.delay(self.runtime, milliseconds)?;
        Ok(Some(delayed))
    }

    fn plan(&self, scenario: &Scenario, delayed: Option<&Delayed>) -> Plan {
        let (upstream, path) = match delayed {
            Some(delayed) => (delayed.address, "/held".to_owned()),
            None => self.instantly.place(scenario),
        };
        Plan {
            calls: scenario.calls,
            upstream,
            path,
        }
    }

    /// Checks that no call failed. Gather answers 200 even if some calls failed, so its own count is looked at too.
    fn no_failures(
        &self,
        program: &Program,
        running: &Running,
        report: &wrk::Report,
    ) -> io::Result<()> {
        let mut failures = report.failures;
        if matches!(program.how, How::Gather(_)) {
            let metrics = self.runtime.block_on(Metrics::of(running.address))?;
            for outcome in ["outcome=\"partial\"", "outcome=\"failed\""] {
                failures += metrics.sum("gather_requests_total", &[outcome]);
            }
        }
        if report.requests < 1.0 || failures > report.requests * FAILURES {
            return Err(io::Error::other(format!(
                "{failures} failures of {} requests",
                report.requests
            )));
        }
        Ok(())
    }
}

fn milliseconds(scenario: &Scenario) -> u64 {
    match scenario.upstream {
        Upstream::After(milliseconds) => milliseconds,
        _ => 0,
    }
}
