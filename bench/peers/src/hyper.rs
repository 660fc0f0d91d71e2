//! The fan-out written by hand with hyper: one thread, hyper-util's pooling client, all calls of a request in its task.

mod plan;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{
    Request, Response, StatusCode, Uri, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpSocket, time::timeout};

use plan::{Answer, BACKLOG, Call, DEADLINE, compose};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Gateway {
    calls: Vec<Call>,
    uris: Vec<Uri>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Gateway {
    async fn call(&self, uri: &Uri) -> Result<Answer, Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }

    async fn aggregate(&self) -> Result<Bytes, Failure> {
        let calls = try_join_all(self.uris.iter().map(|uri| self.call(uri)));
        let answers = timeout(DEADLINE, calls).await??;
        Ok(compose(&self.calls, &answers))
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, body) = match request.uri().path() {
            "/aggregate" => match self.aggregate().await {
                Ok(body) => (StatusCode::OK, body),
                Err(_) => (StatusCode::BAD_GATEWAY, Bytes::new()),
            },
            "/readyz" => (StatusCode::OK, Bytes::new()),
            _ => (StatusCode::NOT_FOUND, Bytes::new()),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (listen, calls) = plan::from_arguments()?;
    let uris = calls
        .iter()
        .map(|call| call.url.parse())
        .collect::<Result<_, _>>()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector);
    // The gateway lives as long as the process, so that no references are counted for each request.
    let gateway: &'static Gateway = Box::leak(Box::new(Gateway {
        calls,
        uris,
        client,
    }));

    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener = socket.listen(BACKLOG)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(
                TokioIo::new(tcp),
                service_fn(|request| gateway.answer(request)),
            );
        tokio::spawn(async move {
            // A client that leaves is no failure of this program.
            let _ = serving.await;
        });
    }
}
