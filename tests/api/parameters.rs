//! Query parameters that are refused, each with a problem that names it, and before anything is sent upstream.

use crate::{
    gateway::Gateway,
    upstream::{Response, Upstream},
};

const OWN: [(&str, &str); 5] = [
    ("mode", "sync"),
    ("concurrency", "1"),
    ("calls", "one"),
    ("timeout", "1s"),
    ("wait_for", "all"),
];

async fn one() -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let rest = "upstreams.one.forward_query = [\"id\"]\naggregates.default.calls = [\"one\"]";
    let gateway = Gateway::before(&[("one", upstream.url("/"))], rest).await;
    (gateway, upstream)
}

/// Asserts that each query is refused for its parameter and that nothing was sent for any of them.
async fn refused(kind: &str, cases: &[(String, &str)]) {
    let (gateway, upstream) = one().await;
    for (query, parameter) in cases {
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        let problem = answer.problem(400, kind);
        assert_eq!(problem["parameter"], *parameter, "{query}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("`{parameter}`")),
            "{query}: {detail}"
        );
        assert_eq!(problem.get("results"), None, "{query}");
    }
    assert_eq!(upstream.connections(), 0);
    let series = format!("gather_problems_total{{type=\"{kind}\"}}");
    assert_eq!(gateway.metric(&series).await, cases.len() as f64);
}

#[actix_web::test]
async fn every_parameter_is_taken_once() {
    let (gateway, _upstream) = one().await;
    let all: Vec<_> = OWN
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let answer = gateway.aggregate(&format!("?{}", all.join("&"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[actix_web::test]
async fn a_parameter_that_nobody_declares_is_named() {
    let cases = ["mod", "MODE", "Id", "x y", "utm_source", "ké"].map(|name| {
        let encoded = name.replace(' ', "%20").replace('é', "%C3%A9");
        (format!("?{encoded}=1"), name)
    });
    refused("unknown-parameter", &cases).await;
    let bare = [
        ("?flag".to_owned(), "flag"),
        ("?mode=sync&flag".to_owned(), "flag"),
    ];
    refused("unknown-parameter", &bare).await;
}

#[actix_web::test]
async fn a_parameter_without_a_name_is_refused() {
    refused("unknown-parameter", &[("?=1".to_owned(), "")]).await;
}

#[actix_web::test]
async fn a_long_name_is_not_repeated_whole_in_the_detail() {
    let (gateway, _upstream) = one().await;
    let answer = gateway.aggregate(&format!("?{}=1", "x".repeat(7000))).await;
    let problem = answer.problem(400, "unknown-parameter");
    assert!(problem["detail"].as_str().unwrap().len() < 300);
}

#[actix_web::test]
async fn each_of_gathers_own_parameters_is_refused_twice() {
    // `calls` is a list, and generated clients write a list as a repeated parameter.
    let single = OWN.iter().filter(|(name, _)| *name != "calls");
    let twice = |(name, value): &(&'static str, &str)| {
        (format!("?{name}={value}&id=1&{name}={value}"), *name)
    };
    let cases: Vec<_> = single.map(twice).collect();
    refused("repeated-parameter", &cases).await;
    // An encoded name means the same parameter.
    let encoded = [("?mode=sync&%6Dode=sync".to_owned(), "mode")];
    refused("repeated-parameter", &encoded).await;
}

#[actix_web::test]
async fn each_of_gathers_own_parameters_is_refused_empty() {
    let cases: Vec<_> = OWN
        .iter()
        .flat_map(|(name, _)| [(format!("?{name}="), *name), (format!("?{name}"), *name)])
        .collect();
    refused("empty-parameter", &cases).await;
}

#[actix_web::test]
async fn values_that_mean_nothing_are_refused() {
    let cases = [
        ("mode", "parallel"),
        ("mode", "Sync"),
        ("mode", "sync%20"),
        ("concurrency", "0"),
        ("concurrency", "-1"),
        ("concurrency", "1.5"),
        ("concurrency", "abc"),
        ("concurrency", "1e99"),
        ("concurrency", "99999999999999999999"),
        ("timeout", "-1"),
        ("timeout", "0"),
        ("timeout", "0s"),
        ("timeout", "1e99"),
        ("timeout", "abc"),
        ("timeout", "5"),
        ("timeout", "99999999999999999999999s"),
        ("timeout", "inf"),
        ("wait_for", "0"),
        ("wait_for", "-1"),
        ("wait_for", "1.5"),
        ("wait_for", "any"),
        ("wait_for", "99999999999999999999999"),
        ("calls", ","),
        ("calls", "two"),
    ]
    .map(|(name, value)| (format!("?{name}={value}"), name));
    refused("invalid-parameter", &cases).await;
}

#[actix_web::test]
async fn a_value_that_is_not_utf_8_is_refused_and_not_guessed() {
    refused("invalid-parameter", &[("?calls=%ff".to_owned(), "calls")]).await;
}

#[actix_web::test]
async fn empty_pairs_between_parameters_mean_nothing() {
    let (gateway, _upstream) = one().await;
    for query in ["?", "?&", "?&mode=sync&&id=1&"] {
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    }
}
