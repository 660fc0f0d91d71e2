//! The status of every outcome of an aggregate, and the facts that no answer reveals.

use std::{net::TcpListener, time::Duration};

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Framing, Response, Upstream},
};

/// Starts a gateway whose calls are the paths of one upstream. The upstream does what a path's name says.
async fn by_path(calls: &[&str], settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/ok" => Response::pong().into(),
        "/slow" => Behaviour::from(Response::pong()).after(Duration::from_millis(250)),
        "/silent" => Behaviour::HangBeforeHead,
        "/stuck_head" => Behaviour::HangInHead,
        "/stuck_body" => Behaviour::HangInBody {
            declared: 10,
            sent: 3,
        },
        _ => Response::new(500).into(),
    });
    let urls: Vec<_> = calls
        .iter()
        .map(|name| (*name, upstream.url(&format!("/{name}"))))
        .collect();
    let rest = format!("[aggregates.default]\ncalls = {calls:?}\n{settings}");
    (Gateway::before(&urls, &rest).await, upstream)
}

#[actix_web::test]
async fn all_succeeded_is_200_and_complete() {
    let (gateway, _upstream) = by_path(&["ok", "slow"], "").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["outcome"], "complete");
}

#[actix_web::test]
async fn some_failed_is_200_and_partial_in_both_modes() {
    let (gateway, _upstream) = by_path(&["failing", "ok"], "").await;
    for mode in ["sequential", "concurrent"] {
        let answer = gateway.aggregate(&format!("?mode={mode}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["outcome"], "partial");
        assert_eq!(answer.result("failing"), "status");
        assert_eq!(answer.result("ok"), "ok", "it is made though one failed");
    }
}

#[actix_web::test]
async fn nothing_in_time_is_504_wherever_the_upstreams_got_stuck() {
    let calls = ["silent", "stuck_head", "stuck_body"];
    let (gateway, _upstream) = by_path(&calls, "deadline = \"150ms\"").await;
    let answer = gateway.aggregate("").await;
    answer.problem(504, "upstream-timeout");
    for name in calls {
        assert_eq!(answer.result(name), "deadline");
    }
}

#[actix_web::test]
async fn one_failure_for_another_reason_than_time_makes_it_502() {
    let (gateway, _upstream) = by_path(&["silent", "failing"], "deadline = \"150ms\"").await;
    let answer = gateway.aggregate("").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.result("silent"), "deadline");
    assert_eq!(answer.result("failing"), "status");
}

#[actix_web::test]
async fn a_sequential_plan_cut_by_its_deadline_before_any_success_is_504() {
    let settings = "deadline = \"150ms\"\nmode = \"sequential\"";
    let (gateway, upstream) = by_path(&["silent", "ok"], settings).await;
    let answer = gateway.aggregate("").await;
    let problem = answer.problem(504, "upstream-timeout");
    assert_eq!(answer.result("silent"), "deadline");
    assert_eq!(answer.result("ok"), "skipped");
    assert_eq!(problem["results"][1]["attempts"], 0);
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn a_sequential_plan_cut_by_its_deadline_after_a_success_is_partial() {
    let settings = "deadline = \"200ms\"\nmode = \"sequential\"";
    let (gateway, _upstream) = by_path(&["ok", "silent", "slow"], settings).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "partial");
    assert_eq!(answer.result("silent"), "deadline");
    assert_eq!(answer.result("slow"), "skipped");
}

#[actix_web::test]
async fn a_strict_plan_fails_with_its_first_required_failure_and_cancels_the_rest() {
    let settings = "on_failure = \"fail\"";
    let (gateway, upstream) = by_path(&["silent", "failing"], settings).await;
    let answer = gateway.aggregate("").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.result("silent"), "cancelled");
    drop(gateway);
    let closed = upstream.wait_closed(Duration::from_secs(10)).await;
    assert!(closed.is_some());
}

#[actix_web::test]
async fn a_strict_sequential_plan_skips_what_comes_after_the_failure() {
    let settings = "on_failure = \"fail\"\nmode = \"sequential\"";
    let (gateway, upstream) = by_path(&["ok", "failing", "slow"], settings).await;
    let answer = gateway.aggregate("").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.result("ok"), "ok");
    assert_eq!(answer.result("slow"), "skipped");
    assert_eq!(upstream.requests().len(), 2);
}

#[actix_web::test]
async fn an_optional_failure_leaves_a_strict_plan_partial() {
    let settings = "on_failure = \"fail\"\n\
                    [[aggregates.lenient.calls]]\nupstream = \"ok\"\n\
                    [[aggregates.lenient.calls]]\nupstream = \"failing\"\noptional = true\n";
    let (gateway, _upstream) = by_path(&["ok", "failing"], settings).await;
    let answer = gateway.get("/aggregate/lenient").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "partial");
}

/// Private text of upstreams, which no answer of the gateway may repeat.
const PRIVATE: [&str; 4] = ["hunter2", "PRIVATE", "internal.example", "Bearer"];

#[actix_web::test]
async fn an_answer_never_tells_where_an_upstream_is_or_what_it_said_when_it_failed() {
    let private = |status| {
        Response::new(status)
            .header("x-internal", "PRIVATE")
            .header("location", "http://internal.example/PRIVATE")
            .header("content-type", "application/json")
            .body("{\"password\": \"hunter2\", oops")
    };
    let upstream = Upstream::start(move |request| match request.path() {
        "/status" => private(500).reason("PRIVATE hunter2").into(),
        "/redirect" => private(302).into(),
        "/invalid_body" => private(200).into(),
        "/too_large" => Behaviour::Endless(Framing::Chunked(64)),
        "/cut" => Behaviour::CutLength {
            declared: 20,
            sent: 10,
        },
        "/close" => Behaviour::CloseBeforeHead,
        "/reset" => Behaviour::ResetBeforeHead,
        "/garbage" => Behaviour::RawThenClose(b"PRIVATE hunter2\r\n\r\n".to_vec()),
        "/header" => {
            Behaviour::RawThenClose(b"HTTP/1.1 200 OK\r\nPRIVATE hunter2\r\n\r\n".to_vec())
        }
        _ => Behaviour::HangBeforeHead,
    });
    // Nobody can listen at this port: it is taken, but not for listening.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let mut urls: Vec<(&str, String)> = [
        "status",
        "redirect",
        "invalid_body",
        "too_large",
        "cut",
        "close",
        "reset",
        "garbage",
        "header",
        "late",
    ]
    .map(|name| (name, upstream.url(&format!("/{name}?key=hunter2"))))
    .into();
    urls.push(("refused", format!("http://{nobody}/PRIVATE")));
    urls.push(("tls", format!("https://{}/PRIVATE", upstream.addr())));
    urls.push(("unknown", "http://internal.example.invalid/".to_owned()));
    let names: Vec<_> = urls.iter().map(|(name, _)| *name).collect();
    let rest = format!(
        "defaults.headers.authorization = \"Bearer hunter2\"\ndefaults.timeout = \"400ms\"\n\
         aggregates.default = {{ calls = {names:?}, compare = true }}"
    );
    let gateway = Gateway::before(&urls, &rest).await;
    for query in ["", "?mode=compare"] {
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        tells_nothing(&answer, &[upstream.addr().port(), nobody.port()]);
    }
    for name in &names {
        let answer = gateway.aggregate(&format!("?calls={name}")).await;
        assert!((502..=504).contains(&answer.status), "{}", answer.text());
        tells_nothing(&answer, &[upstream.addr().port(), nobody.port()]);
    }
}

fn tells_nothing(answer: &Answer, ports: &[u16]) {
    let mut whole = answer.text().to_owned();
    for (name, value) in &answer.headers {
        whole += &format!("\n{name}: {value}");
    }
    let ports = ports.iter().map(|port| format!(":{port}"));
    let ports: Vec<_> = ports.chain(["127.0.0.1".to_owned()]).collect();
    for private in PRIVATE.into_iter().chain(ports.iter().map(String::as_str)) {
        assert!(!whole.contains(private), "{private} is in {whole}");
    }
}
