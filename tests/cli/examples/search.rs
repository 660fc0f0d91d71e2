//! `search.toml`: a search by QUERY, with another service and a value in reserve.

use super::{Served, is_answer, is_shown};
use crate::upstream::{Request, Response};

const ASKED: &str = r#"{"words":["black","tea"], "most":5}"#;
const GOOD: &str = r#"{"status":"ok","hits":[{"id":7,"score":0.90}]}"#;

/// Answers as the services do, the first one with this.
fn service(request: &Request, primary: &Response) -> Response {
    match request.path() {
        "/search/search" => primary.clone(),
        "/archive/find" => Response::json(r#"{"results":[{"id":8}]}"#),
        "/suggestions/suggestions" => Response::json(r#"["green tea"]"#),
        _ => Response::new(404),
    }
}

fn before(primary: Response) -> Served {
    Served::new("search", move |request| service(request, &primary).into())
}

const SUGGESTED: &str = "GET /suggestions/suggestions?word=black&word=tea";

#[test]
fn a_search_asks_the_primary_service_and_not_the_archive() {
    let served = before(Response::json(GOOD));
    for (method, target) in [
        ("QUERY", "/search"),
        ("POST", "/search"),
        ("QUERY", "/aggregate/search"),
    ] {
        let answer = served.send(method, target, ASKED);
        let page =
            r#"{"from":"primary","hits":[{"id":7,"score":0.90}],"suggestions":["green tea"]}"#;
        is_answer(&answer, "complete", page);
        let asked = served.asked();
        asked.is(&["QUERY /search/search", SUGGESTED]);
        let search = asked.one("/search");
        assert_eq!(search.body, ASKED.as_bytes());
        assert_eq!(search.header("content-type"), Some("application/json"));
    }
}

#[test]
fn the_archive_is_asked_if_the_primary_service_fails_or_says_so_in_a_200() {
    for primary in [
        Response::new(503),
        Response::json(r#"{"status":"error","hits":[]}"#),
        Response::json("{}"),
        Response::text("no JSON"),
    ] {
        let served = before(primary);
        let answer = served.send("QUERY", "/search", ASKED);
        let page = r#"{"from":"archive","hits":[{"id":8}],"suggestions":["green tea"]}"#;
        is_answer(&answer, "partial", page);
        is_shown("docs/composition.md", page);
        let asked = served.asked();
        asked.is(&["QUERY /search/search", "POST /archive/find", SUGGESTED]);
        asked.in_order(&["/search", "/archive"]);
        let sent: serde_json::Value = serde_json::from_slice(&asked.one("/archive").body).unwrap();
        assert_eq!(sent, serde_json::json!({"text": "black tea", "limit": 5}));
        let without_most = r#"{"words":["black","tea"]}"#;
        served.send("QUERY", "/search", without_most);
        let sent = served.asked().one("/archive").body.clone();
        let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["limit"], 10);
    }
}

#[test]
fn suggestions_that_are_down_are_an_empty_list() {
    let served = Served::new("search", |request| {
        let is_down = request.path() == "/suggestions/suggestions";
        let answer = if is_down {
            Response::new(500)
        } else {
            service(request, &Response::json(GOOD))
        };
        answer.into()
    });
    let page = r#"{"from":"primary","hits":[{"id":7,"score":0.90}],"suggestions":[]}"#;
    is_answer(&served.send("QUERY", "/search", ASKED), "partial", page);
}

#[test]
fn a_search_without_hits_from_anybody_is_a_problem() {
    let served = Served::new("search", |request| {
        let is_up = request.path() == "/suggestions/suggestions";
        let answer = if is_up {
            service(request, &Response::json(GOOD))
        } else {
            Response::new(503)
        };
        answer.into()
    });
    let answer = served.send("QUERY", "/search", ASKED);
    let problem = answer.problem(502, "upstream-failed");
    let results = problem["results"].as_array().unwrap();
    let seen: Vec<_> = results
        .iter()
        .map(|result| (&result["name"], &result["ok"]))
        .collect();
    let expected = [
        ("primary", false),
        ("archive", false),
        ("suggestions", true),
    ];
    let expected = expected.map(|(name, ok)| (serde_json::json!(name), serde_json::json!(ok)));
    assert_eq!(
        seen,
        expected
            .iter()
            .map(|(name, ok)| (name, ok))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_search_without_words_or_of_another_type_is_refused() {
    let served = before(Response::json(GOOD));
    served
        .send("QUERY", "/search", "")
        .problem(400, "invalid-body");
    served
        .send("QUERY", "/search", "tea")
        .problem(400, "invalid-body");
    served
        .get("/search", &[])
        .problem(405, "method-not-allowed");
    assert_eq!(served.asked().0.len(), 0);
}
