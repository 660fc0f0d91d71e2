//! Handlers that panic. Their client gets a problem, and the rest of the gateway is not affected.

use crate::{gateway::request, panicking::serve, talk::Talk};

#[actix_web::test]
async fn a_panic_is_a_problem_for_its_client_and_for_nobody_else() {
    let (address, server) = serve();
    let mut other = Talk::to(address).await;
    other.get("/aggregate/fine").await;
    assert_eq!(other.hear().await.status, 200);

    for name in ["at_once", "later", "at_once"] {
        let target = format!("/aggregate/{name}");
        let headers = [("X-Request-Id", "req-42")];
        let answer = request(address, "GET", &target, &headers, b"").await;
        answer.problem(500, "internal");
        assert_eq!(answer.header("x-request-id"), Some("req-42"));
        for private in ["secret", "panic", ".rs", "scripted"] {
            assert!(!answer.text().contains(private), "{}", answer.text());
        }
        other.get("/aggregate/fine").await;
        assert_eq!(other.hear().await.status, 200, "after {name}");
    }

    let metrics = request(address, "GET", "/metrics", &[], b"").await;
    for line in [
        "gather_panics_total 3",
        "gather_problems_total{type=\"internal\"} 3",
        "gather_requests_in_flight 0",
        "gather_attempts_in_flight{upstream=\"scripted\"} 0",
        "gather_requests_total{aggregate=\"at_once\",mode=\"concurrent\",outcome=\"failed\"} 2",
        "gather_requests_total{aggregate=\"at_once\",mode=\"concurrent\",outcome=\"cancelled\"} 0",
        "gather_requests_total{aggregate=\"later\",mode=\"concurrent\",outcome=\"failed\"} 1",
        "gather_requests_total{aggregate=\"fine\",mode=\"concurrent\",outcome=\"complete\"} 4",
    ] {
        assert!(
            metrics.text().lines().any(|known| known == line),
            "no {line} in\n{}",
            metrics.text()
        );
    }
    drop(other);
    server.stop(true).await;
}
