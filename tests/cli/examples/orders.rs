//! `orders.toml`: the products of a list of orders, asked for together and one by one.

use super::{Served, is_answer, is_shown};
use crate::upstream::{Request, Response};

fn orders(products: &[u32]) -> String {
    let items = products
        .iter()
        .map(|id| format!(r#"{{"product_id":{id},"price":1.10}}"#));
    items.collect::<Vec<_>>().join(",")
}

/// Answers for a user with these orders. The service has no product 8.
fn service(request: &Request, ordered: &[u32]) -> Response {
    Response::json(match request.target.as_str() {
        "/orders/orders?user=42" => format!(r#"{{"items":[{}]}}"#, orders(ordered)),
        "/products/products?ids=7%2C9" => {
            r#"[{"id":7,"name":"Tea"},{"id":9,"name":"Cup"}]"#.to_owned()
        }
        "/products/products/8" => return Response::new(404),
        target => match target.strip_prefix("/products/products/") {
            Some(id) => format!(r#"{{"id":{id},"name":"Product {id}","weight":1}}"#),
            None => return Response::new(400),
        },
    })
}

fn of(ordered: &'static [u32]) -> Served {
    Served::new("orders", |request| service(request, ordered).into())
}

#[test]
fn the_products_of_all_orders_come_by_one_request() {
    let served = of(&[7, 9]);
    let page = format!(
        r#"{{"orders":[{}],"products":[{{"id":7,"name":"Tea"}},{{"id":9,"name":"Cup"}}]}}"#,
        orders(&[7, 9])
    );
    is_answer(&served.get("/users/42/orders", &[]), "complete", &page);
    is_shown("docs/composition.md", &page);
    let asked = served.asked();
    asked.is(&[
        "GET /orders/orders?user=42",
        "GET /products/products?ids=7%2C9",
    ]);
    asked.in_order(&["/orders", "/products"]);
}

#[test]
fn without_orders_no_product_is_asked_for() {
    let served = of(&[]);
    is_answer(
        &served.get("/users/42/orders", &[]),
        "complete",
        r#"{"orders":[]}"#,
    );
    let each = r#"{"orders":[],"products":[]}"#;
    is_answer(&served.get("/users/42/orders/each", &[]), "complete", each);
    served
        .asked()
        .is(&["GET /orders/orders?user=42", "GET /orders/orders?user=42"]);
}

#[test]
fn each_product_comes_by_a_request_of_its_own_in_the_order_of_the_list() {
    let served = of(&[9, 7, 3, 5, 1, 2, 4]);
    let products =
        [9, 7, 3, 5, 1, 2, 4].map(|id| format!(r#"{{"id":{id},"name":"Product {id}"}}"#));
    let page = format!(
        r#"{{"orders":[{}],"products":[{}]}}"#,
        orders(&[9, 7, 3, 5, 1, 2, 4]),
        products.join(",")
    );
    is_answer(&served.get("/users/42/orders/each", &[]), "complete", &page);
    let asked = served.asked();
    assert_eq!(asked.0.len(), 8);
    asked.in_order(&["/orders", "/products"]);
}

#[test]
fn products_that_are_not_there_are_null_as_long_as_they_are_half_at_most() {
    let served = of(&[7, 8]);
    let page = format!(
        r#"{{"orders":[{}],"products":[{{"id":7,"name":"Product 7"}},null]}}"#,
        orders(&[7, 8])
    );
    is_answer(&served.get("/users/42/orders/each", &[]), "complete", &page);
    is_shown("docs/composition.md", &page);
    served.asked().is(&[
        "GET /orders/orders?user=42",
        "GET /products/products/7",
        "GET /products/products/8",
    ]);
    let served = of(&[8, 8, 7]);
    let answer = served.get("/users/42/orders/each", &[]);
    assert_eq!(answer.header("gather-outcome"), Some("partial"));
    let answer = answer.json();
    assert_eq!(answer["errors"][0]["name"], "products");
    assert!(answer.get("products").is_none(), "{answer}");
}

#[test]
fn more_orders_than_the_bound_send_nothing() {
    let served = of(&[7; 51]);
    let answer = served.get("/users/42/orders/each", &[]).json();
    assert_eq!(answer["errors"][0]["failure"], "too_large", "{answer}");
    served.asked().is(&["GET /orders/orders?user=42"]);
}
