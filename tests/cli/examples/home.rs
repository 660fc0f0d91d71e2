//! `home.toml`: a page from a graph of calls, with and without its optional parts.

use super::{Served, is_answer, is_shown};
use crate::upstream::{Behaviour, Request, Response};

const USER: &str = r#"{"id":42,"name":"Ada","plan":"pro","password_hash":"x","team":{"id":"t/1"}}"#;
const ORDERS: &str = r#"{"data":{"items":[{"id":1,"product_id":7,"price":1.10},{"id":2,"product_id":9,"price":20.00}]}}"#;
const PRODUCTS: &str =
    r#"[{"id":7,"name":"Tea","category":"tea"},{"id":9,"name":"Cup","category":"cups & pots"}]"#;

/// Answers as all services do when they are well.
fn well(request: &Request) -> Response {
    Response::json(match request.path() {
        "/users/api/users/42" => USER,
        "/users/api/teams/t%2F1" => r#"{"id":"t/1","name":"Engines","tier":"gold","members":12}"#,
        "/orders/orders" => ORDERS,
        "/products/products" => PRODUCTS,
        "/recommendations/recommendations/42" => r#"[{"id":11,"name":"Teapot"}]"#,
        "/offers/offers" => r#"[{"id":3,"text":"Zwei zum Preis von einem"}]"#,
        _ => return Response::new(404),
    })
}

/// Serves the page while the service at this path answers otherwise.
fn except(path: &'static str, answer: Response) -> Served {
    Served::new("home", move |request| {
        let answer = if request.path() == path {
            answer.clone()
        } else {
            well(request)
        };
        answer.into()
    })
}

const WHOLE: &str = concat!(
    r#"{"user":{"id":42,"name":"Ada","plan":"pro"},"team":{"id":"t/1","name":"Engines"},"#,
    r#""orders":[{"id":1,"product_id":7,"price":1.10},{"id":2,"product_id":9,"price":20.00}],"#,
    r#""products":[{"id":7,"name":"Tea","category":"tea"},{"id":9,"name":"Cup","category":"cups & pots"}],"#,
    r#""recommendations":[{"id":11,"name":"Teapot"}],"offers":[{"id":3,"text":"Zwei zum Preis von einem"}]}"#
);

#[test]
fn a_page_is_made_of_six_calls_each_after_those_that_it_takes_values_from() {
    let served = Served::new("home", |request| well(request).into());
    for (target, orders) in [
        ("/users/42/home", "page=1&user=42"),
        ("/aggregate/home?id=42&page=3", "page=3&user=42"),
        (
            "/users/42/home?since=2026-01-01&page=a%26b",
            "page=a%26b&since=2026-01-01&user=42",
        ),
    ] {
        let answer = served.get(target, &[("Accept-Language", "de")]);
        is_answer(&answer, "complete", WHOLE);
        is_shown("docs/composition.md", WHOLE);
        let asked = served.asked();
        asked.is(&[
            "GET /users/api/users/42",
            "GET /users/api/teams/t%2F1",
            "GET /offers/offers?tier=gold",
            &format!("GET /orders/orders?{orders}"),
            "GET /products/products?id=7&id=9",
            "GET /recommendations/recommendations/42?like=tea&like=cups%20%26%20pots",
        ]);
        asked.in_order(&["/users/api/users", "/users/api/teams", "/offers"]);
        asked.in_order(&["/orders", "/products", "/recommendations"]);
        asked.in_order(&["/users/api/users", "/recommendations"]);
        assert_eq!(asked.one("/offers").header("accept-language"), Some("de"));
    }
    served.get("/users/42/home", &[]);
    assert_eq!(
        served.asked().one("/offers").header("accept-language"),
        Some("en")
    );
}

/// Returns the page with another member for the recommendations, and these errors.
fn with(recommendations: &str, errors: &str) -> String {
    let part = r#""recommendations":[{"id":11,"name":"Teapot"}],"#;
    let page = WHOLE.replace(part, recommendations);
    format!(
        "{},\"errors\":[{errors}]}}",
        page.strip_suffix('}').unwrap()
    )
}

#[test]
fn a_page_without_recommendations_has_an_empty_list_and_says_why() {
    let path = "/recommendations/recommendations/42";
    let served = except(path, Response::new(503));
    let error = r#"{"name":"recommendations","failure":"status","status":503,"detail":"upstream answered 503 Service Unavailable"}"#;
    let page = with(r#""recommendations":[],"#, error);
    is_answer(&served.get("/users/42/home", &[]), "partial", &page);
    is_shown("docs/composition.md", &page);
    assert_eq!(served.asked().0.len(), 6);
}

#[test]
fn a_user_of_another_plan_is_shown_no_recommendations_and_that_is_no_error() {
    let user = Response::json(USER.replace("pro", "free"));
    let served = except("/users/api/users/42", user);
    let page = with("", "").replace(",\"errors\":[]", "");
    let page = page.replace(r#""plan":"pro""#, r#""plan":"free""#);
    is_answer(&served.get("/users/42/home", &[]), "complete", &page);
    assert_eq!(served.asked().0.len(), 5);
}

#[test]
fn products_that_are_down_or_not_needed_leave_the_rest_of_the_page() {
    let liked_by_none = "GET /recommendations/recommendations/42";
    let products = r#""products":[{"id":7,"name":"Tea","category":"tea"},{"id":9,"name":"Cup","category":"cups & pots"}],"#;
    let served = except("/products/products", Response::new(500));
    let answer = served.get("/users/42/home", &[]);
    let error = r#"{"name":"products","failure":"status","status":500,"detail":"upstream answered 500 Internal Server Error"}"#;
    let page = with(r#""recommendations":[{"id":11,"name":"Teapot"}],"#, error);
    is_answer(&answer, "partial", &page.replace(products, ""));
    assert!(served.asked().lines().contains(&liked_by_none.to_owned()));
    let served = except("/orders/orders", Response::json(r#"{"data":{"items":[]}}"#));
    let answer = served.get("/users/42/home", &[]);
    assert_eq!(answer.header("gather-outcome"), Some("complete"));
    assert_eq!(answer.json()["orders"], serde_json::json!([]));
    let asked = served.asked().lines();
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert!(asked.contains(&liked_by_none.to_owned()), "{asked:?}");
}

#[test]
fn a_team_that_is_missing_skips_the_offers_and_names_the_reference() {
    let user = Response::json(USER.replace(r#","team":{"id":"t/1"}"#, ""));
    let served = except("/users/api/users/42", user);
    let answer = served.get("/users/42/home", &[]).json();
    let errors = answer["errors"].as_array().unwrap();
    let seen: Vec<_> = errors
        .iter()
        .map(|error| (&error["name"], &error["failure"]))
        .collect();
    assert_eq!(
        seen,
        [
            (&"team".into(), &"skipped".into()),
            (&"offers".into(), &"skipped".into())
        ]
    );
    let detail = |at: usize| errors[at]["detail"].as_str().unwrap();
    assert!(detail(0).contains("`{user.body.team.id}`"), "{}", detail(0));
    assert!(
        detail(1).contains("`{team.body.tier}`") && detail(1).contains("`team`"),
        "{}",
        detail(1)
    );
    assert_eq!(served.asked().0.len(), 4);
}

#[test]
fn there_is_no_page_without_a_user_or_the_orders() {
    let served = except("/users/api/users/42", Response::new(404));
    served
        .get("/users/42/home", &[])
        .problem(404, "upstream-status");
    let served = except("/orders/orders", Response::new(500));
    served
        .get("/users/42/home", &[])
        .problem(502, "upstream-failed");
    let served = Served::new("home", |_| Behaviour::HangBeforeHead);
    let problem = served
        .get("/users/x/home", &[])
        .problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "id");
    assert_eq!(served.asked().0.len(), 0);
}
