//! A repository behind a web server: Git's smart HTTP protocol.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::BranchName;
use gix_transport::client::blocking_io::http::{self, GetResponse, PostBodyDataKind, PostResponse};
use send_pack::advertisement::{Advertisement, AdvertisementReader};
use send_pack::report::ReportReader;
use send_pack::request::Update;
use tokio::sync::oneshot;
use tokio::time::Instant;
use ureq::http::header;
use ureq::{Body, BodyReader, http::Response};

use super::error::{RemoteError, quote, too_late};
use super::http_client::{AGENT, HttpClient, NoAnswer, Request};
use super::progress::{Counted, Progress};
use super::secret::SecretFolder;
use super::service::Service;
use super::session::{Sent, not_advertised, reference};

/// How long a server may go on after its report; hooks that run behind a push end with the connection.
const HOOKS_LIMIT: Duration = Duration::from_secs(60);

/// More than this of what they say, in bytes, ends the connection.
const MAX_HOOK_WORDS: u64 = 16 * 1024 * 1024;

/// A repository's address, and what asks there.
#[derive(Debug, Clone)]
pub(super) struct Https {
    url: Arc<str>,
    client: Arc<HttpClient>,
}

impl Https {
    pub(super) fn new(url: &str, secret: SecretFolder) -> Self {
        Self { url: Arc::from(url), client: Arc::new(HttpClient::new(secret)) }
    }

    /// Takes the credentials in use out of a host's words.
    pub(super) fn veil(&self, words: &mut String) {
        self.client.veil(words);
    }

    /// Where the branch is, as the service sees it.
    pub(super) async fn advertisement(
        &self,
        service: Service,
        branch: Option<&BranchName>,
        deadline: Instant,
    ) -> Result<Advertisement, RemoteError> {
        let (own, wanted) = (self.clone(), branch.map(reference).unwrap_or_default());
        off_runtime(move || own.read_advertisement(service, &wanted, deadline), deadline).await?
    }

    fn read_advertisement(
        &self,
        service: Service,
        wanted: &str,
        deadline: Instant,
    ) -> Result<Advertisement, RemoteError> {
        let program = service.program();
        let url = format!("{}/info/refs?service={program}", self.url);
        let left = deadline.saturating_duration_since(Instant::now());
        let request = Request { url: &url, headers: &[], body: None, deadline, body_limit: left };
        let answered = self.client.ask(&request).map_err(|no_answer| of_service(no_answer.error, service))?;
        expect_type(&answered, &format!("application/x-{program}-advertisement"))?;
        let mut body = answered.into_body().into_reader();
        let mut reader = AdvertisementReader::new(wanted, Some(program));
        let mut buffer = [0; 16 * 1024];
        let mut found = None;
        loop {
            match body.read(&mut buffer) {
                // Read to its end, so that the connection can be used again.
                Ok(0) => break,
                Ok(count) if found.is_none() => {
                    found = reader.feed(&buffer[..count]).map_err(|error| not_advertised(&error, ""))?;
                }
                Ok(_) => {
                    return Err(RemoteError::new(
                        Code::RemoteFailed,
                        "the list of branches goes on behind its end",
                    ));
                }
                Err(error) => {
                    return Err(RemoteError::new(
                        Code::RemoteUnreachable,
                        format!("the answer broke off: {error}"),
                    ));
                }
            }
        }
        found.ok_or_else(|| RemoteError::new(Code::RemoteFailed, "the list of branches broke off"))
    }

    /// Sends `request` and waits for the report on `update`, which is read as it comes.
    pub(super) async fn push(
        &self,
        request: Vec<u8>,
        update: Update,
        side_band: bool,
        deadline: Instant,
    ) -> Sent {
        let own = self.clone();
        let (answer, answered) = oneshot::channel();
        tokio::task::spawn_blocking(move || own.post(&request, &update, side_band, deadline, answer));
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Sent::Silence("the push ended abnormally".to_owned()),
            Err(_) => Sent::Silence("the deadline passed before the report".to_owned()),
        }
    }

    fn post(
        &self,
        request: &[u8],
        update: &Update,
        side_band: bool,
        deadline: Instant,
        answer: oneshot::Sender<Sent>,
    ) {
        let url = format!("{}/git-receive-pack", self.url);
        let headers = [
            ("content-type", "application/x-git-receive-pack-request"),
            ("accept", "application/x-git-receive-pack-result"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked =
            Request { url: &url, headers: &headers, body: Some(request), deadline, body_limit: HOOKS_LIMIT };
        let answered = match self.client.ask(&asked) {
            Ok(answered) => answered,
            Err(NoAnswer { error, nothing_done }) => {
                let error = of_service(error, Service::ReceivePack);
                let sent = if nothing_done { Sent::NotWhole(error) } else { Sent::Silence(error.detail) };
                // Whoever waited may have given up at the deadline.
                let _ = answer.send(sent);
                return;
            }
        };
        let mut body = answered.into_body().into_reader();
        let mut reader = ReportReader::new(update, side_band);
        let mut buffer = [0; 16 * 1024];
        let sent = loop {
            match body.read(&mut buffer) {
                Ok(0) => break Sent::Silence("the answer ended before the report".to_owned()),
                Ok(count) => match reader.feed(&buffer[..count]) {
                    Ok(None) => {}
                    Ok(Some(report)) => break Sent::Reported(report, reader.words()),
                    Err(error) => break Sent::Silence(error.to_string()),
                },
                Err(error) => break Sent::Silence(format!("the answer broke off: {error}")),
            }
        };
        let reported = matches!(sent, Sent::Reported(..));
        let _ = answer.send(sent);
        if reported {
            // What hooks say to people; the connection can be used again when it is read.
            let _ = std::io::copy(&mut body.take(MAX_HOOK_WORDS), &mut std::io::sink());
        }
    }

    /// What gix fetches through. Why that failed is found in `failure`.
    pub(super) fn transport(
        &self,
        deadline: Instant,
        failure: Arc<Mutex<Option<RemoteError>>>,
        progress: Arc<Progress>,
    ) -> Result<impl gix_transport::client::blocking_io::Transport + use<>, RemoteError> {
        let url = gix::url::parse(gix::bstr::BStr::new(self.url.as_bytes())).map_err(|error| {
            RemoteError::new(Code::RepositoryNotFound, format!("the address cannot be read: {error}"))
        })?;
        let requests = Requests { client: Arc::clone(&self.client), deadline, failure, progress };
        Ok(http::Transport::new_http(requests, url, gix_transport::Protocol::V2, false))
    }
}

/// Runs `work` on a thread that may block, and waits for it until `deadline`.
async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    deadline: Instant,
) -> Result<T, RemoteError> {
    match tokio::time::timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(RemoteError::new(Code::RemoteFailed, "a request ended abnormally")),
        Err(_) => Err(too_late()),
    }
}

/// A host that knows the caller and forbids the service refuses pushes, whatever status it says so with.
fn of_service(error: RemoteError, service: Service) -> RemoteError {
    if service == Service::ReceivePack
        && error.code == Code::CredentialsRejected
        && error.detail.contains("answered 403")
    {
        return RemoteError { code: Code::RemoteRefused, ..error };
    }
    error
}

fn expect_type(answer: &Response<Body>, wanted: &str) -> Result<(), RemoteError> {
    let found =
        answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    if found == wanted {
        return Ok(());
    }
    let detail =
        format!("the address is not a Git repository's: it answered {} instead of {wanted}", quote(found));
    Err(RemoteError::new(Code::RepositoryNotFound, detail))
}

/// gix's requests, made by our client.
struct Requests {
    client: Arc<HttpClient>,
    deadline: Instant,
    failure: Arc<Mutex<Option<RemoteError>>>,
    progress: Arc<Progress>,
}

impl Requests {
    fn ask(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> std::io::Result<Response<Body>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let request = Request { url, headers, body, deadline: self.deadline, body_limit: left };
        self.client.ask(&request).map_err(|NoAnswer { error, .. }| {
            let told = std::io::Error::other(error.to_string());
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

type Reader = Box<dyn BufRead>;

impl http::Http for Requests {
    type Headers = Reader;
    type ResponseBody = Reader;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix_error::Result<GetResponse<Reader, Reader>> {
        let answer = self.ask(url, &pairs(headers), None).map_err(gix_error::Error::from_error)?;
        Ok(GetResponse { headers: Box::new(head(&answer)), body: Box::new(body(answer, &self.progress)) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix_error::Result<PostResponse<Reader, Reader, PostBody>> {
        let (sender, written) = mpsc::channel();
        let (client, failure) = (Arc::clone(&self.client), Arc::clone(&self.failure));
        let requests =
            Requests { client, deadline: self.deadline, failure, progress: Arc::clone(&self.progress) };
        let (url, headers) = (url.to_owned(), pairs(headers));
        // gix writes the body after this and drops it before it reads: only then there is something to ask.
        let answer = Rc::new(RefCell::new(Answer::Pending(Box::new(move || {
            let body: Vec<u8> = written.recv().unwrap_or_default();
            requests.ask(&url, &headers, Some(&body))
        }))));
        let part = |part| {
            let progress = Arc::clone(&self.progress);
            Box::new(Later { answer: Rc::clone(&answer), part, reader: None, progress }) as Reader
        };
        Ok(PostResponse {
            post_body: PostBody { bytes: Vec::new(), whole: sender },
            headers: part(Part::Head),
            body: part(Part::Body),
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> gix_error::Result {
        Ok(())
    }
}

fn pairs(headers: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(String, String)> {
    let split = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
    };
    // Our own name goes with every request.
    let agent = ("user-agent".to_owned(), AGENT.to_owned());
    let others = headers.into_iter().filter_map(|line| split(line.as_ref()));
    others.filter(|(name, _)| !name.eq_ignore_ascii_case("user-agent")).chain([agent]).collect()
}

fn head(answer: &Response<Body>) -> Cursor<Vec<u8>> {
    let mut lines = Vec::new();
    for (name, value) in answer.headers() {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    Cursor::new(lines)
}

fn body(answer: Response<Body>, progress: &Arc<Progress>) -> BufReader<Counted<BodyReader<'static>>> {
    let inner = answer.into_body().into_with_config().limit(u64::MAX).reader();
    BufReader::new(Counted { inner, progress: Arc::clone(progress) })
}

/// What gix writes; whole when it is dropped.
struct PostBody {
    bytes: Vec<u8>,
    whole: mpsc::Sender<Vec<u8>>,
}

impl Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for PostBody {
    fn drop(&mut self) {
        // Nobody may want the answer any more.
        let _ = self.whole.send(std::mem::take(&mut self.bytes));
    }
}

/// An answer that is asked for when it is first read.
enum Answer {
    Pending(Box<dyn FnOnce() -> std::io::Result<Response<Body>>>),
    Here(Response<Body>),
    Gone,
}

#[derive(Clone, Copy)]
enum Part {
    Head,
    Body,
}

struct Later {
    answer: Rc<RefCell<Answer>>,
    part: Part,
    reader: Option<Reader>,
    progress: Arc<Progress>,
}

impl Later {
    fn reader(&mut self) -> std::io::Result<&mut Reader> {
        if self.reader.is_none() {
            let mut answer = self.answer.borrow_mut();
            let here = match std::mem::replace(&mut *answer, Answer::Gone) {
                Answer::Pending(ask) => ask()?,
                Answer::Here(here) => here,
                Answer::Gone => return Err(std::io::Error::other("the answer was read already")),
            };
            self.reader = Some(match self.part {
                Part::Head => {
                    let lines = head(&here);
                    *answer = Answer::Here(here);
                    Box::new(lines)
                }
                Part::Body => Box::new(body(here, &self.progress)),
            });
        }
        self.reader.as_mut().ok_or_else(|| std::io::Error::other("there is no answer"))
    }
}

impl Read for Later {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader()?.read(buffer)
    }
}

impl BufRead for Later {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.reader()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}
