//! The scenarios that are counted: aggregates of 1 to 100 calls, with small bodies and larger ones, and their
//! configuration. It must not know how they are counted.

use std::net::SocketAddr;

/// One aggregate that is asked for again and again.
pub struct Scenario {
    pub name: &'static str,
    pub calls: usize,
    /// The size of each upstream's body, in bytes.
    pub body: usize,
    /// The number of aggregates in one count: about 15 million instructions.
    pub aggregates: u32,
}

pub const SCENARIOS: [Scenario; 5] = [
    Scenario::new("calls_1", 1, 16, 160),
    Scenario::new("calls_3", 3, 16, 100),
    Scenario::new("calls_10", 10, 16, 40),
    Scenario::new("calls_100", 100, 16, 20),
    Scenario::new("calls_3_of_4kib", 3, 4096, 40),
];

/// The number of services behind the gateway. An aggregate of a hundred calls asks each of them ten times.
const SERVICES: usize = 10;

impl Scenario {
    const fn new(name: &'static str, calls: usize, body: usize, aggregates: u32) -> Self {
        Self {
            name,
            calls,
            body,
            aggregates,
        }
    }

    /// Returns the path that a client asks for.
    pub fn target(&self) -> String {
        format!("/aggregate/{}", self.name)
    }

    /// Returns the configuration. Everything that is on by default is on, except the line that `info` writes for each
    /// request.
    pub fn configuration(&self, upstream: SocketAddr) -> String {
        let services: String = (0..SERVICES.min(self.calls))
            .map(|number| {
                format!("upstreams.service_{number}.url = \"http://{upstream}/{number}\"\n")
            })
            .collect();
        let calls: Vec<_> = (0..self.calls)
            .map(|number| {
                let service = number % SERVICES;
                format!("{{ upstream = \"service_{service}\", name = \"call_{number}\" }}")
            })
            .collect();
        let (name, calls) = (self.name, calls.join(", "));
        format!("log.level = \"warn\"\n{services}aggregates.{name}.calls = [{calls}]\n")
    }

    /// Returns JSON of the scenario's size, such as a service would send.
    pub fn body(&self) -> String {
        const ITEM: &str =
            r#"{"id":1234567,"name":"a name","price":12.5,"tags":["a","b"],"open":true},"#;
        let (open, close) = ("[", "\"\"]");
        let items = (self.body - open.len() - close.len()) / ITEM.len();
        let mut text = open.to_owned() + &ITEM.repeat(items) + "\"";
        // The rest is too short for an item, and is filled with a text.
        text.extend(std::iter::repeat_n('x', self.body - text.len() - 2));
        text + "\"]"
    }
}
