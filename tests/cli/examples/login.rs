//! `login.toml`: a token that one call gets and the next one sends, and that no answer has.

use super::{Served, is_answer, is_shown};
use crate::upstream::{Request, Response};

const TOKEN: &str = "t0k3n.of-ada";

/// Answers as both services do. `session` is what the first says to the right password.
fn service(request: &Request, session: &str) -> Response {
    match request.path() {
        "/sessions/sessions" if request.body.windows(8).any(|word| word == b"lovelace") => {
            Response::json(session)
                .status(201)
                .header("Set-Cookie", "session=abc; HttpOnly; Secure")
        }
        "/profiles/me" if request.header("authorization") == Some(&format!("Bearer {TOKEN}")) => {
            Response::json(r#"{"id":42,"name":"Ada"}"#)
        }
        _ => Response::new(401),
    }
}

fn with(session: String) -> Served {
    Served::new("login", move |request| service(request, &session).into())
}

fn good() -> Served {
    with(format!(r#"{{"token":"{TOKEN}"}}"#))
}

#[test]
fn a_login_gives_the_profile_and_the_cookie_and_keeps_the_token() {
    let served = good();
    let answer = served.send("POST", "/login", r#"{"user":"ada","password":"lovelace"}"#);
    is_answer(&answer, "complete", r#"{"id":42,"name":"Ada"}"#);
    is_shown("docs/composition.md", r#"{"id":42,"name":"Ada"}"#);
    assert_eq!(
        answer.header("set-cookie"),
        Some("session=abc; HttpOnly; Secure")
    );
    let leaks = answer
        .headers
        .iter()
        .any(|(_, value)| value.contains(TOKEN));
    assert!(!leaks, "{:?}", answer.headers);
    let asked = served.asked();
    asked.is(&["POST /sessions/sessions", "GET /profiles/me"]);
    asked.in_order(&["/sessions", "/profiles"]);
    let login = asked.one("/sessions");
    assert_eq!(login.header("content-type"), Some("application/json"));
    let sent: serde_json::Value = serde_json::from_slice(&login.body).unwrap();
    let expected = serde_json::json!({"user": "ada", "password": "lovelace", "device": "test/1"});
    assert_eq!(sent, expected);
    assert_eq!(asked.one("/profiles").body, b"");
}

#[test]
fn a_password_goes_on_as_it_was_written_whatever_is_in_it() {
    let served = good();
    let password = r#""\u00e9lovelace\",\"admin\":\"yes""#;
    let body = format!(r#"{{"password":{password},"user":"a\"da","more":1}}"#);
    let answer = served.send("POST", "/login", &body);
    is_answer(&answer, "complete", r#"{"id":42,"name":"Ada"}"#);
    let asked = served.asked();
    let sent = String::from_utf8(asked.one("/sessions").body.clone()).unwrap();
    assert!(
        sent.contains(&format!(r#""password":{password}"#)),
        "{sent}"
    );
    assert!(sent.contains(r#""user":"a\"da""#), "{sent}");
    let value: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 3, "{sent}");
}

#[test]
fn a_wrong_password_is_a_401_and_asks_for_no_profile() {
    let served = good();
    let answer = served.send("POST", "/login", r#"{"user":"ada","password":"byron"}"#);
    answer.problem(401, "upstream-status");
    served.asked().is(&["POST /sessions/sessions"]);
}

#[test]
fn without_a_token_no_profile_is_asked_for() {
    for (session, why) in [
        (r#"{"session":"s3cret"}"#, "missing"),
        (r#"{"token":null,"session":"s3cret"}"#, "null"),
        (r#"{"token":["s3cret"]}"#, "list"),
        (r#"{"token":"s3cret\r\nX-Admin: yes"}"#, "login.body.token"),
    ] {
        let served = with(session.to_owned());
        let answer = served.send("POST", "/login", r#"{"user":"ada","password":"lovelace"}"#);
        let problem = answer.problem(502, "upstream-failed");
        let profile = &problem["results"][1];
        assert_eq!(profile["name"], "profile");
        assert_eq!(profile["failure"], "skipped", "{session}: {problem}");
        let detail = profile["detail"].as_str().unwrap();
        assert!(
            detail.contains("`{login.body.token}`") && detail.contains(why),
            "{detail}"
        );
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
        served.asked().is(&["POST /sessions/sessions"]);
    }
}

#[test]
fn a_login_without_a_password_or_by_another_method_asks_nobody() {
    let served = good();
    let answer = served.send("POST", "/login", r#"{"user":"ada"}"#);
    let problem = answer.problem(502, "upstream-failed");
    let detail = problem["results"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("`{body.password}`"), "{detail}");
    served
        .send("POST", "/login", "user=ada")
        .problem(400, "invalid-body");
    served.get("/login", &[]).problem(405, "method-not-allowed");
    served
        .send("POST", "/login?calls=login", "{}")
        .problem(400, "unknown-parameter");
    assert_eq!(served.asked().0.len(), 0);
}
