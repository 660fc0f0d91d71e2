//! `gather check --explain`: draws what waits for what, what goes upstream from where, and the answer.

use crate::{file, program::run};

/// A page of five calls in three layers.
pub(crate) const HOME: &str = r#"
[upstreams.users]
url = "http://users:8080/api?key=hunter2"
timeout = "2s"
headers = { authorization = "Bearer hunter2", accept = "application/json" }
forward_headers = ["accept-language"]

[upstreams.orders]
url = "http://orders:8080"
timeout = "1s"

[upstreams.products]
url = "http://products:8080"
timeout = "1s"

[aggregates.home]
path = "/users/{id:int}/home"
methods = ["POST"]
shape = "merge"
deadline = "3s"
response_headers = ["x-version"]
wait_for = "required"

[[aggregates.home.calls]]
upstream = "users"
path = "/users/{path.id}"
keep = ["id", "name"]
into = "user.profile"
fallback = { id = 0 }

[[aggregates.home.calls]]
upstream = "orders"
path = "/orders"
query = { user = "{path.id}", since = "{query.since?}", page = "{query.page ?? '1'}", token = "{query.token ?? 'hunter2'}" }
select = "orders.body.data.items"

[[aggregates.home.calls]]
name = "products"
upstream = "products"
path = "/products"
query = { id = "{orders.body.data.items[*].product_id}" }
optional = true

[[aggregates.home.calls]]
name = "stock"
upstream = "products"
method = "POST"
each = "{orders.body.data.items}"
path = "/stock/{item.sku}"
json = { plan = "{users.body.plan}", note = "{body.note?}", secret = "hunter2" }
when = 'users.body.plan == "pro"'
tolerate = "10%"
answer = false

[[aggregates.home.calls]]
name = "audit"
upstream = "orders"
path = "/audit"
headers = { "x-agent" = "{headers.user-agent}" }
after = ["stock", "products"]

[aggregates.plain]
calls = ["users", "orders"]
mode = "sequential"
"#;

#[test]
fn a_plan_shows_what_waits_for_what_and_what_is_sent_from_where() {
    let (_place, name) = file(HOME);
    let explain = ["check", "--explain", "home", "--elsewhere", "-c", &name];
    let shown = run(&explain).expect(0).stdout;
    insta::assert_snapshot!(shown);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(run(&explain).expect(0).stdout, shown);
}

#[test]
fn an_aggregate_without_edges_is_one_layer() {
    let (_place, name) = file(HOME);
    let explain = ["check", "--explain=plain", "--elsewhere", "-c", &name];
    insta::assert_snapshot!(run(&explain).expect(0).stdout);
}

#[test]
fn without_a_name_all_aggregates_are_drawn() {
    let (_place, name) = file(HOME);
    let of = |arguments: &[&str]| {
        let all = [&["check", "--elsewhere", "-c", &name], arguments].concat();
        run(&all).expect(0).stdout
    };
    let each = [of(&["--explain", "home"]), of(&["--explain", "plain"])];
    assert_eq!(of(&["--explain"]), each.join("\n"));
}

#[test]
fn a_misspelt_aggregate_gets_a_suggestion() {
    let (_place, name) = file(HOME);
    for (asked, said) in [
        (
            "hmoe",
            "error: there is no aggregate `hmoe`, did you mean `home`?",
        ),
        (
            "elsewhere",
            "error: there is no aggregate `elsewhere`; the configuration has `home`, `plain`",
        ),
    ] {
        let refused = run(&["check", "--explain", asked, "--elsewhere", "-c", &name]);
        assert_eq!(refused.one_sentence(), said);
    }
    run(&["check", "--explain", "--print", "-c", &name]).expect(2);
}
