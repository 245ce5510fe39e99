//! Who is let in: callers with a token, or without tokens only those on this machine; and no page of another site.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use failover_core::name::Actor;
use tokio::time::Instant;

use super::problem::Answer;
use super::state::AppState;
use crate::auth::{
    Access, Admission, Admitted, Authentication, BearerToken, Reads, Refusal, Standing, network,
};

/// Who asked, as the commit will name them; told to every handler.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Option<Actor>);

/// The role that a request takes; `None` for a probe, which the kubelet sends without a token, and for what pages are
/// made of, which tells nothing. Everything that is not known to be harmless takes `operate`, whether such a route exists or not.
pub(super) fn wanted(method: &Method, path: &str) -> Option<Access> {
    match (method.is_safe(), path) {
        (true, "/livez" | "/readyz") => None,
        (true, path) if path.starts_with("/assets/") => None,
        (true, _) => Some(Access::Read),
        (false, _) => Some(Access::Operate),
    }
}

/// Lets the request through if its caller may ask for it. Handlers are told who it is, and how long that counts.
pub(super) async fn admit(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = peer.ip().to_canonical();
    let admitted = match (wanted(request.method(), request.uri().path()), &state.admission) {
        (None, _) => Ok((Caller(None), Standing::Lasting)),
        (Some(Access::Read), admission) => match admission.tokens().map(|known| (known, known.reads())) {
            None | Some((_, Reads::Open)) => Ok((Caller(None), Standing::Lasting)),
            Some((known, Reads::Closed)) => bearer(known, request.headers(), Access::Read, address).await,
        },
        (Some(Access::Operate), Admission::ReadOnly(_)) => Err(read_only()),
        (Some(Access::Operate), _) if is_foreign_page(request.headers()) => Err(foreign_page()),
        (Some(Access::Operate), Admission::ThisMachine) => {
            from_this_machine(request.headers(), address).map(|caller| (caller, Standing::Lasting))
        }
        (Some(Access::Operate), Admission::Anybody(limit)) => limit
            .take(&network(address), Instant::now())
            .map(|()| (unauthenticated(address), Standing::Lasting))
            .map_err(too_often),
        // A page that was led here by its own name has no token, so it does not matter by which name it calls.
        (Some(Access::Operate), Admission::Tokens(known)) => {
            bearer(known, request.headers(), Access::Operate, address).await
        }
    };
    match admitted {
        Ok((caller, standing)) => {
            if let Caller(Some(name)) = &caller {
                tracing::Span::current().record("caller", name.as_str());
            }
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(standing);
            next.run(request).await
        }
        Err(answer) => answer.into_response(),
    }
}

fn unauthenticated(address: IpAddr) -> Caller {
    Caller(Actor::new(format!("unauthenticated ({address})")).ok())
}

/// Without tokens the caller's address is all there is.
fn from_this_machine(headers: &HeaderMap, address: IpAddr) -> Result<Caller, Answer> {
    if !address.is_loopback() {
        return Err(Answer::problem(
            Code::AuthenticationNotConfigured,
            format!("a change asked for from {address} cannot be told apart from anybody else's"),
            "call from this machine (kubectl port-forward does), give callers tokens with --token-file, or start the server with --allow-unauthenticated-moves behind something that checks callers",
        ));
    }
    if !is_called_by_a_local_name(headers) {
        return Err(Answer::problem(
            Code::CrossOrigin,
            "the Host header names another machine, as when a web page was led to this one by its own name",
            "call 127.0.0.1, [::1] or localhost",
        ));
    }
    Ok(unauthenticated(address))
}

async fn bearer(
    known: &Authentication,
    headers: &HeaderMap,
    wanted: Access,
    address: IpAddr,
) -> Result<(Caller, Standing), Answer> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    // Of two tokens nobody can say which one is meant.
    let token = match (given.next().and_then(|value| value.to_str().ok()), given.next()) {
        (Some(value), None) => BearerToken::from_header(value),
        (_, _) => None,
    };
    match known.admit(token.as_ref(), wanted, address).await {
        Ok(Admitted { caller, standing }) => Ok((Caller(Some(caller)), standing)),
        Err(refusal) => Err(refused(refusal, wanted, address)),
    }
}

fn refused(refusal: Refusal, wanted: Access, address: IpAddr) -> Answer {
    match refusal {
        Refusal::TokenMissing => Answer::problem(
            Code::TokenMissing,
            format!("this takes a token with the role {wanted}, and the request has none in the form of RFC 6750"),
            "send the header Authorization: Bearer and your token, once",
        )
        .challenging("Bearer"),
        Refusal::TokenUnknown => Answer::problem(
            Code::TokenUnknown,
            format!("nobody knows the token that came from {address}"),
            "check the token; its hash must stand in the file of --token-file, made of the token without a line's end",
        )
        .challenging("Bearer error=\"invalid_token\""),
        Refusal::TooLittle { caller, wanted } => Answer::problem(
            Code::RoleTooSmall,
            format!("this takes the role {wanted}, which {caller} does not have"),
            "use a token that has it, or give it to this one",
        ),
        Refusal::TooOften(wait) => too_often(wait),
        Refusal::Unavailable(problem) => (*problem).into(),
    }
}

fn too_often(wait: Duration) -> Answer {
    let seconds = wait.as_secs() + 1;
    let detail =
        "too many changes were asked for by this caller, or too many wrong tokens came from its address";
    Answer::problem(Code::RateLimited, detail, format!("ask again in {seconds} s")).retry_after(seconds)
}

fn read_only() -> Answer {
    Answer::problem(
        Code::ReadOnly,
        "this server was started to look only, with --read-only",
        "plans are shown for GET with dry-run=true; to change anything, start the server without the flag",
    )
}

fn foreign_page() -> Answer {
    Answer::problem(
        Code::CrossOrigin,
        "a page of another origin asked a browser for a change",
        "call the API from a program, or from a page of its own origin",
    )
}

/// Whether the caller addressed this machine as such. A page of a name that somebody made resolve to 127.0.0.1
/// (DNS rebinding) is of our own origin for the browser, but cannot hide that name.
fn is_called_by_a_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let host = host.to_str().unwrap_or_default();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
        Some(_) => return false,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser sent this for a page that is not ours. Programs send neither header.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    origin_host.is_none() || origin_host != text(header::HOST.as_str())
}
