//! The main job: one request, several calls, one answer.

use std::time::Duration;

use crate::{
    gateway::Gateway,
    upstream::{Behaviour, Response, Upstream},
};

/// A gateway before three upstreams that answer pong after `delay`.
async fn three(delay: Duration) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Behaviour::from(Response::pong()).after(delay));
    let url = upstream.url("/ping");
    let gateway = Gateway::start(&format!(
        "upstreams.ping_1.url = \"{url}\"
         upstreams.ping_2.url = \"{url}\"
         upstreams.ping_3.url = \"{url}\"
         [aggregates.default]
         calls = [\"ping_1\", \"ping_2\", \"ping_3\"]
         compare = true"
    ))
    .await;
    (gateway, upstream)
}

#[actix_web::test]
async fn three_calls_take_three_times_as_long_in_a_row_as_together() {
    let (gateway, _upstream) = three(Duration::from_millis(300)).await;
    let answer = gateway.aggregate("?mode=compare").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let speedup = json["speedup"].as_f64().unwrap();
    assert!((2.5..=3.1).contains(&speedup), "{json}");
    assert_eq!(json["sequential"]["outcome"], "complete");
    assert_eq!(json["concurrent"]["results"][2]["body"], "pong");
}
