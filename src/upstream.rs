//! The adapter that speaks HTTP/1.1 to upstreams, over connections that awc's connector opens.
//!
//! The dialer (`dial`) races a name's addresses, sets TCP_NODELAY and does TLS itself. A pool (`pool`) keeps open
//! connections. An attempt (`attempt`) writes a request that was made ready at start (`request`), and feeds the bytes
//! that come to a reader (`reading`). The reader knows what an answer is and when it is over. A request that is made
//! from values (`turn`, `recipe`) is made once for each call, and lies over what was made ready. It must not know
//! plans, configuration files or metrics.

mod address;
mod addresses;
mod advice;
mod answer;
mod attempt;
mod body;
mod broken;
mod chunks;
mod coding;
mod composed;
#[cfg(test)]
mod composing_tests;
mod dial;
mod expectation;
mod fields;
#[cfg(test)]
mod fixture;
mod follow;
mod head;
mod inflate;
#[cfg(test)]
mod injection_tests;
mod keep_alive;
mod kept;
mod link;
mod list;
mod media;
mod names;
mod observer;
mod pool;
mod prepare;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod race;
mod reading;
mod recipe;
mod request;
mod rest;
mod roots;
mod rules;
mod settings;
#[cfg(test)]
mod sharing_tests;
mod shortage;
mod time_limit;
mod tls;
mod turn;
mod value;
mod whole;
mod wire;

pub use address::Address;
pub use attempt::Adapter;
pub use composed::{Composed, Content, EachSettings, Tolerance};
pub use follow::Following;
pub use names::{LOOK_UPS, Names};
pub use observer::{ConnectionObserver, ResendBudget};
pub use pool::Spare;
pub use prepare::{PreparedRequest, PreparedService, Unprepared};
pub use roots::Roots;
pub use settings::{Request, Service, Settings, TlsSettings};
pub use tls::{Sessions, TlsError};
pub use wire::Wire;
