//! What is counted: aggregates of 1 to 100 calls, small bodies and larger ones, and the configuration that has them. It must
//! not know how.

use std::net::SocketAddr;

/// One aggregate, asked for again and again.
pub struct Scenario {
    pub name: &'static str,
    pub calls: usize,
    /// The size of each upstream's body, in bytes.
    pub body: usize,
    /// How many are counted at a time: about 15 million instructions.
    pub aggregates: u32,
}

pub const SCENARIOS: [Scenario; 5] = [
    Scenario::new("calls_1", 1, 16, 160),
    Scenario::new("calls_3", 3, 16, 100),
    Scenario::new("calls_10", 10, 16, 40),
    Scenario::new("calls_100", 100, 16, 20),
    Scenario::new("calls_3_of_4kib", 3, 4096, 40),
];

/// Services behind the gateway. A hundred calls go to each of them ten times.
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

    /// What a client asks for.
    pub fn target(&self) -> String {
        format!("/aggregate/{}", self.name)
    }

    /// All that is on by default is on, but for the line that `info` writes for each request.
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

    /// JSON as a service would send it, of the scenario's size.
    pub fn body(&self) -> String {
        const ITEM: &str =
            r#"{"id":1234567,"name":"a name","price":12.5,"tags":["a","b"],"open":true},"#;
        let (open, close) = ("[", "\"\"]");
        let items = (self.body - open.len() - close.len()) / ITEM.len();
        let mut text = open.to_owned() + &ITEM.repeat(items) + "\"";
        // What no item fits into is a text.
        text.extend(std::iter::repeat_n('x', self.body - text.len() - 2));
        text + "\"]"
    }
}
