//! The real server, started as users start it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use super::process::{self, Memory, PATIENCE, Pid, Signal, poll, signal};

/// A running `failover-api serve`. Killed with all its children when dropped.
pub(crate) struct Server {
    child: Child,
    client: Client,
    log: Arc<Log>,
}

/// Asks one server, which may be dead.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    agent: Agent,
    /// Sent with requests that have no such header of their own.
    authorization: Option<String>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
    /// The body as JSON, `null` if it is not JSON.
    pub(crate) json: Value,
}

#[derive(Default)]
struct Log {
    /// The lines so far, and whether more can come.
    state: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Server {
    /// Runs `serve` with these arguments on a free port of its choice; returns when it listens.
    pub(crate) fn start<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_logging("info", arguments)
    }

    /// The same with other log levels.
    pub(crate) fn start_logging<A: AsRef<std::ffi::OsStr>>(
        levels: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::start_program(Command::new(env!("CARGO_BIN_EXE_failover-api")), levels, arguments)
    }

    /// The same as another user and group, without any other group. Only root can do that.
    pub(crate) fn start_as<A: AsRef<std::ffi::OsStr>>(
        user: (u32, u32),
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::start_program(Self::as_user(Command::new("setpriv"), user), "info", arguments)
    }

    /// The same where the library that gives a user a name is missing.
    pub(crate) fn start_nameless<A: AsRef<std::ffi::OsStr>>(
        user: (u32, u32),
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut unshare = Command::new("unshare");
        let hide = "for file in /usr/lib/*/libnss_wrapper.so /usr/lib*/libnss_wrapper.so; do \
                    [ ! -e $file ] || mount --bind /dev/null $file || exit; done; exec setpriv \"$@\"";
        unshare.args(["--mount", "sh", "-c", hide, "sh"]);
        Self::start_program(Self::as_user(unshare, user), "info", arguments)
    }

    /// The program, as an argument of `setpriv`.
    fn as_user(mut setpriv: Command, (user, group): (u32, u32)) -> Command {
        // Where anybody may run it, which need not be so where it was built.
        static PROGRAM: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
        let folder = PROGRAM.get_or_init(|| {
            let folder = tempfile::TempDir::new().unwrap();
            let mut install = Command::new("install");
            install.args(["-m", "755", env!("CARGO_BIN_EXE_failover-api")]).arg(folder.path());
            process::run(&mut install);
            process::run(Command::new("chmod").arg("755").arg(folder.path()));
            folder
        });
        setpriv.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
        setpriv.arg(folder.path().join("failover-api"));
        setpriv
    }

    /// The same by a command that becomes the program with the arguments that are appended.
    pub(crate) fn start_program<A: AsRef<std::ffi::OsStr>>(
        mut command: Command,
        levels: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("FAILOVER_API_LOG", levels);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().unwrap();
        thread::spawn({
            let log = Arc::clone(&log);
            move || log.follow(BufReader::new(stderr))
        });
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(0)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, client: Client { address: unbound, agent, authorization: None }, log };
        let listening = server.wait_log("listening", |event| event["message"] == "listening");
        server.client.address = listening["address"].as_str().unwrap().parse().unwrap();
        server
    }

    /// Sends this `Authorization` with every request from now on.
    pub(crate) fn authorized(mut self, header: &str) -> Self {
        self.client.authorization = Some(header.to_owned());
        self
    }

    /// `http://address` and the path.
    pub(crate) fn url(&self, path: &str) -> String {
        self.client.url(path)
    }

    /// Asks this server, also when somebody else has it or it is dead.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path, "", &[])
    }

    /// Posts a body, which may be empty.
    pub(crate) fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("POST", path, body, headers)
    }

    /// Any request; no answer at all fails the test.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
        self.try_request(method, path, body, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Any request, where the server may die before it answers.
    pub(crate) fn try_request(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ureq::Error> {
        self.client.try_request(method, path, body, headers)
    }

    /// Asks again until the answer is the wanted one; for conditions that announce themselves by no event.
    pub(crate) fn wait_until(
        &self,
        path: &str,
        wanted: impl Fn(&Reply) -> bool,
        deadline: Duration,
    ) -> Reply {
        poll(path, deadline, || {
            let reply = self.get(path);
            if wanted(&reply) { Ok(reply) } else { Err(format!("{} {}", reply.status, reply.text)) }
        })
    }

    /// The lines on standard error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.state.lock().unwrap().0.clone()
    }

    /// Waits for a log event, which may be there already.
    pub(crate) fn wait_log(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.next_log(0, PATIENCE, wanted)
            .unwrap_or_else(|| panic!("no log event {what:?}:\n{}", self.log().join("\n")))
    }

    /// Waits this long for a log event after the first `seen` lines.
    pub(crate) fn next_log(
        &self,
        seen: usize,
        deadline: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let find = |lines: &[String]| {
            let mut events = lines[seen..].iter().filter_map(|line| serde_json::from_str(line).ok());
            events.find(|event| wanted(event))
        };
        let state = self.log.state.lock().unwrap();
        let waiting = |state: &mut (Vec<String>, bool)| !state.1 && find(&state.0).is_none();
        let (state, _) = self.log.changed.wait_timeout_while(state, deadline, waiting).unwrap();
        find(&state.0)
    }

    /// The server's process, to ask the kernel about.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The server's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to end, as the kubelet does; waits for that, and for the end of every process it started.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let tree = process::tree(Pid::from_child(&self.child));
        signal(Pid::from_child(&self.child), Signal::TERM);
        poll("the server and its children end", PATIENCE, || {
            let status = self.child.try_wait().unwrap();
            let left: Vec<_> = tree.iter().filter(|pid| !process::is_over(**pid)).collect();
            let names: Vec<_> = left.into_iter().map(|pid| process::name(*pid)).collect();
            status.filter(|_| names.is_empty()).ok_or_else(|| names.join(" "))
        })
    }

    /// Ends the server and its children at once, as the end of a container does.
    pub(crate) fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = Pid::from_child(&self.child);
            signal(pid, Signal::STOP);
            process::tree(pid).into_iter().for_each(|pid| signal(pid, Signal::KILL));
            let status = self.child.wait().unwrap();
            // One that is ending by itself is why the test fails already; a second panic would end all tests.
            assert!(status.signal() == Some(9) || thread::panicking(), "{status}");
        }
    }

    /// Kills the processes below the server whose command line is like this; says how many there were.
    pub(crate) fn kill_children(&self, wanted: impl Fn(&str) -> bool) -> usize {
        let below = process::tree(Pid::from_child(&self.child)).into_iter().skip(1);
        let found: Vec<_> = below.filter(|pid| wanted(&process::command_line(*pid))).collect();
        found.iter().for_each(|pid| signal(*pid, Signal::KILL));
        found.len()
    }

    /// How many processes below the server have a command line like this.
    pub(crate) fn children(&self, wanted: impl Fn(&str) -> bool) -> usize {
        let below = process::tree(Pid::from_child(&self.child)).into_iter().skip(1);
        below.filter(|pid| wanted(&process::command_line(*pid))).count()
    }

    /// Kills the server's own process and nothing else; says what ran below it.
    pub(crate) fn kill_alone(&mut self) -> Vec<Pid> {
        let below = process::tree(Pid::from_child(&self.child)).into_iter().skip(1).collect();
        signal(Pid::from_child(&self.child), Signal::KILL);
        self.child.wait().unwrap();
        below
    }

    /// The same, and waits for what ran below it to end by itself.
    pub(crate) fn kill_and_wait_for_children(&mut self) {
        let below = self.kill_alone();
        poll("what the server started ends", PATIENCE, || {
            let names: Vec<_> =
                below.iter().filter(|pid| !process::is_over(**pid)).map(|pid| process::name(*pid)).collect();
            if names.is_empty() { Ok(()) } else { Err(names.join(" ")) }
        });
    }

    /// Resident memory, as the kernel counts it.
    pub(crate) fn memory(&self) -> Memory {
        process::memory(Pid::from_child(&self.child))
    }
}

impl Client {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Any request.
    pub(crate) fn try_request(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ureq::Error> {
        let request = Request::builder().method(method).uri(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let request = match self.authorization.as_ref().filter(|_| !own) {
            Some(header) => request.header("Authorization", header),
            None => request,
        };
        let mut response = if matches!(method, "GET" | "HEAD" | "OPTIONS") {
            self.agent.run(request.body(()).unwrap())?
        } else {
            self.agent.run(request.body(body).unwrap())?
        };
        let text = response.body_mut().read_to_string()?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        })
    }
}

impl Log {
    fn follow(&self, lines: impl BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            self.state.lock().unwrap().0.push(line);
            self.changed.notify_all();
        }
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
