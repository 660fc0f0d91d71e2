//! The connections of clients. It enforces the rules of HTTP/1.1 for requests, and the bounds on time. actix brings the
//! codec and the service that answers. Its dispatcher is not used: it is lenient with those rules, bounds too little of
//! the time, and keeps 16 KiB of buffers for every connection that waits. It must not know the routes.
//!
//! - A head is read when the request before it is answered, and is handed on when it is complete and valid. If it is
//!   not valid, the client is told why and the connection ends.
//! - A head has `header_timeout`, each on its connection.
//! - A body is read when the handler asks for it, and only then is `100 Continue` sent. It has `header_timeout` from
//!   that moment, and keeps to RFC 9112 to the letter. The bytes behind a body that was read whole are the next request.
//! - A request whose body was not read whole is its connection's last. The parts of the body that come are read for a
//!   moment and dropped. A chunked body of a GET, HEAD or OPTIONS that turns out to be empty counts as none.
//! - A request for another protocol is ignored, as only HTTP/1.1 is spoken.
//! - A client that doesn't read its answer has `write_timeout` for each part of it, and is then reset.
//! - A client that leaves cancels the request for which it waits.
//! - All other connections end in order: the gateway closes its half, then reads for a moment what still comes.
//!
//! A connection that waits owns no buffer: it reads and writes through the worker's own.

mod asked;
mod bounds;
mod chunk_lines;
mod chunked;
mod clock;
mod connection;
mod decode;
mod edits;
mod fault;
mod grammar;
mod heads;
mod incoming;
mod keep_alive;
mod parting;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod receiving;
mod reset;
mod sending;
mod worker;

use std::{
    convert::Infallible,
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use actix_http::Request;
use actix_service::Service;
use actix_web::{body::MessageBody as _, dev::ServiceResponse, rt::net::TcpStream};

pub(crate) use self::fault::Fault;
use self::{
    asked::Asked,
    connection::{Connection, Next},
};
pub use self::{
    bounds::{HalfClose, Patience},
    worker::Edge,
};

impl<S> Edge<S>
where
    S: Service<Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    /// Serves a connection to its end.
    ///
    /// # Errors
    /// Never fails.
    pub async fn serve(self: Rc<Self>, tcp: TcpStream) -> Result<(), Infallible> {
        let mut connection = Connection::new(tcp, &self);
        // An error means that the client has gone, so there is no one to tell.
        let _ = self.converse(&mut connection).await;
        Ok(())
    }

    async fn converse(&self, connection: &mut Connection) -> io::Result<()> {
        let mut stopping = pin!(self.stopping());
        loop {
            let next = poll_fn(|cx| connection.poll_next(self, stopping.as_mut(), cx)).await?;
            let request = match next {
                Next::Request(request) => request,
                Next::Refused(fault) => return Box::pin(connection.refuse(self, fault)).await,
                Next::Idle if Box::pin(connection.came_at_last(self)).await? => continue,
                Next::Idle | Next::Over => return Box::pin(connection.part(self)).await,
            };
            let answered = {
                let mut answering = pin!(self.service.call(request));
                poll_fn(|cx| match answering.as_mut().poll(cx) {
                    Poll::Ready(answered) => Poll::Ready(Some(answered)),
                    Poll::Pending => connection.poll_departure(self, cx).map(|()| None),
                })
                .await
            };
            let (asked, response) = match answered {
                Some(Ok(answered)) => {
                    let (request, response) = answered.into_parts();
                    (Asked::by(request, response.body().size()), response)
                }
                Some(Err(error)) => (Asked::Unknown, error.error_response()),
                None => return Ok(()),
            };
            if let Err(unsent) = connection.send(self, response.into()).await {
                return Box::pin(connection.give_up(self, unsent, &asked)).await;
            }
            if connection.last || !connection.keep(self) {
                return Box::pin(connection.part(self)).await;
            }
        }
    }
}
