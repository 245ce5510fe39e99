//! Connections: how many, how slow, and how they end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::places::Places;

/// More connections than these wait to be accepted, so that nobody can take all file descriptors.
const MAX_CONNECTIONS: usize = 256;
/// One address has no more than these, so that it leaves some for others, probes above all. A proxy in front is one
/// address, and needs one connection for each request that is under way.
const MAX_OF_ONE: usize = 64;
/// How long a client may take to send a request's head, idle time before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The age at which a connection ends, so that a client that reads nothing cannot keep it. A move takes a minute
/// at most, and goes on without its caller.
const MAX_AGE: Duration = Duration::from_secs(180);
/// After accepting failed, for want of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop`; the answer ends them when their requests are answered.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let places = Places::new(MAX_OF_ONE);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let next = async || {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let accepted = listener.accept().await;
        (slot, accepted)
    };
    while let Some((slot, accepted)) = stop.run_until_cancelled(next()).await {
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = places.take(peer.ip().to_canonical()) else {
                    tracing::debug!(%peer, "a connection too many of one address was ended");
                    continue;
                };
                let connection = connections.watch(serve(&http, stream, peer, router.clone()));
                tokio::spawn(async move {
                    let _held = (slot, place);
                    match tokio::time::timeout(MAX_AGE, connection).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%error, %peer, "a connection broke"),
                        Err(_) => tracing::debug!(%peer, "a connection was ended for its age"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections
}

type Connection<S> = http1::Connection<TokioIo<TcpStream>, S>;

fn serve(
    http: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> Connection<
    impl hyper::service::Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Send
    + use<>,
> {
    let answer = move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    };
    http.serve_connection(TokioIo::new(stream), service_fn(answer))
}
