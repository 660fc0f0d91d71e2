//! The paths of routes: each kind of mistake, with its message.

use super::{composition::text, said};
use crate::config::load_text;

/// Paths of a second aggregate, each with its mistake.
const PATHS: &[(&str, &str)] = &[
    (
        "users",
        "expected a path that begins with `/`, such as \"/users/{id:int}/home\"",
    ),
    (
        "/users/",
        "found an empty segment: no `//` in a path, and no `/` at its end",
    ),
    (
        "/a//b",
        "found an empty segment: no `//` in a path, and no `/` at its end",
    ),
    ("/a/../b", "found the segment `..`, which no path keeps"),
    ("/a/%2E.", "found the segment `%2E.`, which no path keeps"),
    (
        "/{}",
        "found a parameter without a name, expected one such as `{id}`",
    ),
    (
        "/{:int}",
        "found a parameter without a name, expected one such as `{id}`",
    ),
    (
        "/{a:itn}",
        "the parameter `a` has the unknown kind `itn`, did you mean `int`?",
    ),
    (
        "/{a:float}",
        "the parameter `a` has the unknown kind `float`, expected `int`, `uuid` or none",
    ),
    (
        "/{a-b}",
        "found the parameter `a-b`, expected a name of letters, digits and _, at most 64 long",
    ),
    ("/{a}/{a:int}", "the parameter `a` is written twice"),
    (
        "/a{b}",
        "found `a{b}`: a parameter is a whole segment, such as `/{id}/`",
    ),
    (
        "/{a}{b}",
        "found `{a}{b}`: a parameter is a whole segment, such as `/{id}/`",
    ),
    (
        "/{a",
        "found `{a`: a parameter is a whole segment, such as `/{id}/`",
    ),
    (
        "/a?b",
        "found `?`: a route is a path alone, and query parameters are taken by `{query.NAME}`",
    ),
    (
        "/a#b",
        "found `#`: a route is a path alone, and query parameters are taken by `{query.NAME}`",
    ),
    (
        "/50%",
        "found `%` without two hexadecimal digits after it; the character itself is %25",
    ),
    ("/a b", "found ` `, which no path has; expected its escape"),
    (
        "/{timeout}",
        "the parameter `timeout` has the name of one of Gather's own query parameters, as which it is also taken; use \
             another name, or set `parameters = false`",
    ),
    (
        "/metrics",
        "`/metrics` is one of Gather's own paths; expected another path",
    ),
    (
        "/aggregate/x",
        "`/aggregate` is one of Gather's own paths; expected another path",
    ),
    (
        "/users/{user}/home",
        "`/users/{id:int}/home`, the path of `home`, matches the same requests; expected a path of its own",
    ),
];

#[test]
fn each_mistake_in_a_path_is_told() {
    for &(path, told) in PATHS {
        let other = format!("[aggregates.other]\npath = '{path}'\ncalls = ['users']\n");
        let said = said(&format!("{}{other}", text("", &["'orders'"])));
        assert_eq!(said, [format!("aggregates.other.path: {told}")], "{path}");
    }
    let free = "[aggregates.other]\npath = '/users/{id}/caf%C3%A9'\ncalls = ['users']\n";
    load_text("x.toml", &format!("{}{free}", text("", &["'orders'"]))).unwrap();
}

#[test]
fn a_refused_path_makes_no_mistake_of_its_references() {
    for path in [
        "/users/{id:integer}",
        "/users/u-{id}",
        "/users/{id}/",
        "users/{id}",
        "/users/{id:int/home",
        "/users/{id}/{id}",
    ] {
        let call = "{ upstream = 'users', path = '/{path.id}' }";
        let other = format!("[aggregates.other]\npath = '{path}'\ncalls = [{call}]\n");
        let said = said(&format!("{}{other}", text("", &["'orders'"])));
        let is_right =
            matches!(said.as_slice(), [line] if line.starts_with("aggregates.other.path: "));
        assert!(is_right, "{path}: {said:#?}");
    }
}

#[test]
fn a_path_in_the_style_of_another_router_leads_to_braces() {
    let call = "{ upstream = 'users', path = '/{path.id}' }";
    let other = format!("[aggregates.other]\npath = '/users/:id'\ncalls = [{call}]\n");
    assert_eq!(
        said(&format!("{}{other}", text("", &["'orders'"]))),
        [
            "aggregates.other.calls[0].path: the route has no parameter `id`: it has none; write it as `{id}` in the \
             aggregate's `path`"
        ]
    );
}
