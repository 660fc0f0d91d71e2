//! The fan-out written by hand with actix-web and awc: one worker, awc's pool, all calls of a request in its task.

mod plan;

use std::{io, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, http::header::ContentType, web};
use awc::{Client, Connector};
use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::time::timeout;

use plan::{Answer, BACKLOG, Call, DEADLINE, compose};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The largest body of an upstream, in bytes.
const MOST: usize = 1 << 20;

type Failure = Box<dyn std::error::Error>;

struct Gateway {
    calls: web::Data<Vec<Call>>,
    client: Client,
}

impl Gateway {
    async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let mut response = self
            .client
            .get(call.url.as_str())
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.body().limit(MOST).await?;
        Ok(Answer { status, body })
    }

    async fn aggregate(&self) -> Result<Bytes, Failure> {
        let calls = try_join_all(self.calls.iter().map(|call| self.call(call)));
        let answers = timeout(DEADLINE, calls).await??;
        Ok(compose(&self.calls, &answers))
    }
}

async fn aggregate(gateway: web::Data<Gateway>) -> HttpResponse {
    match gateway.aggregate().await {
        Ok(body) => HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let (listen, calls) = plan::from_arguments()?;
    let calls = web::Data::new(calls);
    HttpServer::new(move || {
        let connector = Connector::new()
            // Without this, a hundred connections are the most.
            .limit(0)
            .conn_keep_alive(Duration::from_secs(60))
            .conn_lifetime(Duration::from_secs(3600));
        let client = Client::builder()
            .connector(connector)
            .timeout(DEADLINE)
            .disable_redirects()
            .finish();
        let calls = calls.clone();
        App::new()
            .app_data(web::Data::new(Gateway { calls, client }))
            .route("/aggregate", web::get().to(aggregate))
            .route("/readyz", web::get().to(HttpResponse::Ok))
    })
    .workers(1)
    .backlog(BACKLOG)
    .bind(listen)?
    .run()
    .await
}
