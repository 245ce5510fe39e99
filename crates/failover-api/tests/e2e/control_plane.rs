//! etcd, kube-apiserver and kube-controller-manager on loopback, with authorization by RBAC as clusters have it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::certificates;
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::{run, said};

/// The ServiceAccount of `deploy/`, as the API server calls it.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:failover-api:failover-api";

/// Killed with everything that it knows when dropped.
pub(crate) struct ControlPlane {
    api: Daemon,
    _controllers: Daemon,
    _etcd: Daemon,
    folder: TempDir,
    port: u16,
    etcd_port: u16,
}

/// Longer than a cluster with everything in it takes to do anything on a busy machine, a node's death included.
const LONG: Duration = Duration::from_mins(5);

/// Who may do everything, and who the controllers are.
const TOKENS: &str = "admin-token,admin,admin,system:masters\n\
    controllers-token,system:kube-controller-manager,controllers\nscheduler-token,system:kube-scheduler,scheduler\n";

/// Every request of the ServiceAccount, and nobody else's, is written down.
const AUDIT: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n  \
    - level: Metadata\n    users: [\"system:serviceaccount:failover-api:failover-api\"]\n  - level: None\n";

impl ControlPlane {
    /// A new and empty cluster, ready.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        certificates::make(folder.path());
        let file = |name: &str| folder.path().join(name);
        run(Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-out"]).arg(file("accounts.key")));
        fs::write(file("tokens.csv"), TOKENS).unwrap();
        fs::write(file("audit.yaml"), AUDIT).unwrap();
        let (port, etcd_port) = (free_port(), free_port());
        let mark = format!("FAILOVER_TEST_CLUSTER={}", folder.path().display());
        let mut plane = Self {
            api: Daemon::new(mark.clone()),
            _controllers: Daemon::new(mark.clone()),
            _etcd: Daemon::new(mark.clone()),
            folder,
            port,
            etcd_port,
        };
        plane.kubeconfig("admin", "admin-token");
        plane.kubeconfig("controllers", "controllers-token");
        plane.kubeconfig("scheduler", "scheduler-token");
        plane.start_etcd();
        plane.start_api();
        plane.start_controllers();
        plane
    }

    fn start_etcd(&mut self) {
        let (client, peer) = (self.etcd_port, free_port());
        let mut etcd = Command::new(tool("etcd"));
        etcd.arg("--data-dir").arg(self.file("etcd")).args(["--unsafe-no-fsync", "--log-level", "warn"]);
        for flag in ["--listen-client-urls", "--advertise-client-urls"] {
            etcd.args([flag, &format!("http://127.0.0.1:{client}")]);
        }
        for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
            etcd.args([flag, &format!("http://127.0.0.1:{peer}")]);
        }
        etcd.args(["--initial-cluster", &format!("default=http://127.0.0.1:{peer}")]);
        let log = self.log("etcd", &mut etcd);
        self._etcd.start(&mut etcd, || fs::read_to_string(&log).unwrap(), || listens(client));
    }

    /// Starts the API server on the same port with the same keys, after [`Self::stop_api`].
    pub(crate) fn start_api(&mut self) {
        let mut api = Command::new(tool("kube-apiserver"));
        let folder = self.folder.path().to_owned();
        let named = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
        api.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port));
        api.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
        ]);
        api.arg(format!("--secure-port={}", self.port));
        api.args(["--service-cluster-ip-range=10.96.0.0/24", "--authorization-mode=RBAC"]);
        api.args([named("tls-cert-file", "server.crt"), named("tls-private-key-file", "server.key")]);
        api.args([named("cert-dir", "api-certificates"), named("token-auth-file", "tokens.csv")]);
        api.arg("--service-account-issuer=https://kubernetes.default.svc");
        api.args([
            named("service-account-key-file", "accounts.key"),
            named("service-account-signing-key-file", "accounts.key"),
            named("audit-policy-file", "audit.yaml"),
            named("audit-log-path", "audit.log"),
        ]);
        let log = self.log("kube-apiserver", &mut api);
        let admin = self.file("admin");
        let ready = || {
            let output = kubectl(&admin).args(["get", "--raw", "/readyz"]).output().unwrap();
            if output.status.success() { Ok(()) } else { Err(said(&output)) }
        };
        self.api.start(&mut api, || tail(&log), ready);
    }

    fn start_controllers(&mut self) {
        let mut controllers = Command::new(tool("kube-controller-manager"));
        let port = free_port();
        let named = |flag: &str, name: &str| format!("--{flag}={}", self.file(name).display());
        controllers.args([
            named("kubeconfig", "controllers"),
            named("service-account-private-key-file", "accounts.key"),
            named("root-ca-file", "ca.crt"),
            named("cert-dir", "controllers-certificates"),
            format!("--secure-port={port}"),
        ]);
        controllers.args([
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ]);
        let log = self.log("kube-controller-manager", &mut controllers);
        self._controllers.start(&mut controllers, || tail(&log), || listens(port));
    }

    /// Defines the kinds of Flux and the Prometheus operator, as their makers do.
    pub(crate) fn define_kinds(&self) {
        let kinds = tool("crds");
        self.admin(["apply", "--server-side", "-f", kinds.to_str().unwrap()]);
        self.admin(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    }

    /// Runs a controller of Flux that may do everything. It answers on its port `health` when it runs.
    pub(crate) fn start_flux(&self, name: &str, arguments: &[String], health: u16) -> Daemon {
        self.start_program(name, name, arguments, || listens(health))
    }

    /// Gives pods to nodes.
    pub(crate) fn start_scheduler(&self) -> Daemon {
        let port = free_port();
        let arguments = [
            format!("--kubeconfig={}", self.file("scheduler").display()),
            format!("--cert-dir={}", self.file("scheduler-certificates").display()),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=false".to_owned(),
        ];
        self.start_program("kube-scheduler", "kube-scheduler", &arguments, || listens(port))
    }

    /// Runs a program of the cluster, which by itself may do everything. `log` is its name for [`Self::said`].
    pub(crate) fn start_program(
        &self,
        name: &str,
        log: &str,
        arguments: &[String],
        ready: impl FnMut() -> Result<(), String>,
    ) -> Daemon {
        let mut program = Command::new(tool(name));
        program.args(arguments);
        let log = self.log(log, &mut program);
        program.env("KUBECONFIG", self.file("admin")).env("RUNTIME_NAMESPACE", "flux-system");
        let mut daemon = Daemon::new(self.mark());
        daemon.start(&mut program, || tail(&log), ready);
        daemon
    }

    /// The end of what a program of this cluster said, for messages.
    pub(crate) fn said(&self, name: &str) -> String {
        tail(&self.file(&format!("{name}.log")))
    }

    /// A new folder that ends with the cluster.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.file(name);
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn mark(&self) -> String {
        format!("FAILOVER_TEST_CLUSTER={}", self.folder.path().display())
    }

    /// The API server is gone, with all its connections. Nothing that it knew is lost.
    pub(crate) fn stop_api(&mut self) {
        self.api.stop();
    }

    /// The port of the API server on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What signs the API server's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.file("ca.crt")
    }

    /// `kubectl` for somebody who may do everything; anything but success fails the test.
    pub(crate) fn admin<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        String::from_utf8(run(kubectl(&self.file("admin")).args(arguments)).stdout).unwrap()
    }

    /// The same for an object as JSON.
    pub(crate) fn object<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Value {
        serde_json::from_str(&self.admin(arguments.into_iter().chain(["-o", "json"]))).unwrap()
    }

    /// Creates or changes an object.
    pub(crate) fn apply(&self, object: &Value) {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        fs::write(file.path(), object.to_string()).unwrap();
        self.admin(["apply", "-f", file.path().to_str().unwrap()]);
    }

    /// `kubectl` with the rights of the server's ServiceAccount, however that ends.
    pub(crate) fn account(&self, arguments: &[&str]) -> Output {
        let file = self.file("account");
        if !file.exists() {
            self.kubeconfig("account", &self.token());
        }
        kubectl(&file).args(arguments).output().unwrap()
    }

    /// A new token of the server's ServiceAccount, as the kubelet asks for one.
    pub(crate) fn token(&self) -> String {
        self.admin(["create", "token", "failover-api", "--namespace", "failover-api"]).trim().to_owned()
    }

    /// What the ServiceAccount asked the API server for so far: verb and path.
    pub(crate) fn audited(&self) -> Vec<String> {
        let log = fs::read_to_string(self.file("audit.log")).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .map(|event| {
                assert_eq!(event["user"]["username"], ACCOUNT);
                format!("{} {}", event["verb"].as_str().unwrap(), event["requestURI"].as_str().unwrap())
            })
            .collect()
    }

    /// Watches what `kubectl get` names, and returns when one of these objects is as it should be.
    pub(crate) fn wait_for<T>(&self, what: &[&str], mut wanted: impl FnMut(&Value) -> Option<T>) -> T {
        let end = Instant::now() + LONG;
        let mut last = Value::Null;
        loop {
            // It ends by itself when an object of a given name is not there yet.
            let watch = Watch::start(&self.file("admin"), what);
            loop {
                match watch.objects.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(object) => match wanted(&object) {
                        Some(found) => return found,
                        None => last = object,
                    },
                    Err(RecvTimeoutError::Disconnected) if Instant::now() < end => break,
                    Err(_) => panic!("{what:?}: not within {LONG:?}; last seen: {last}"),
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn kubeconfig(&self, name: &str, token: &str) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            "clusters": [{"name": "e2e", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.file("ca.crt"),
            }}],
            "users": [{"name": "e2e", "user": {"token": token}}],
        });
        fs::write(self.file(name), config.to_string()).unwrap();
    }

    /// A kubeconfig of the server's ServiceAccount.
    pub(crate) fn account_kubeconfig(&self) -> PathBuf {
        self.kubeconfig("account", &self.token());
        self.file("account")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str, command: &mut Command) -> PathBuf {
        let path = self.file(&format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path).unwrap();
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", self.folder.path()).stderr(Stdio::from(log));
        path
    }
}

/// Objects as they are and as they change.
struct Watch {
    kubectl: Child,
    objects: Receiver<Value>,
}

impl Watch {
    fn start(kubeconfig: &Path, what: &[&str]) -> Self {
        let mut get = kubectl(kubeconfig);
        get.arg("get").args(what).args(["--watch", "--request-timeout=0", "--output=json"]);
        let mut kubectl = get.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = kubectl.stdout.take().unwrap();
        let (sender, objects) = mpsc::channel();
        thread::spawn(move || {
            let stream = serde_json::Deserializer::from_reader(std::io::BufReader::new(output));
            // It stops with the program, perhaps within an object, or when nobody asks any more.
            stream.into_iter().map_while(Result::ok).try_for_each(|object| sender.send(object))
        });
        Self { kubectl, objects }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// Whether somebody answers on a port of this machine.
fn listens(port: u16) -> Result<(), String> {
    std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
}

/// The end of a long log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    text.lines().rev().take(20).collect::<Vec<_>>().join("\n")
}

fn kubectl(kubeconfig: &Path) -> Command {
    let mut kubectl = Command::new(tool("kubectl"));
    kubectl.env_clear().env("HOME", "/nonexistent").arg("--kubeconfig").arg(kubeconfig);
    kubectl.arg("--cache-dir").arg(kubeconfig.with_extension("cache")).arg("--request-timeout=30s");
    kubectl
}

/// A program or folder that `scripts/e2e` made.
pub(crate) fn tool(name: &str) -> PathBuf {
    let folders = std::env::var_os("FAILOVER_E2E_TOOLS");
    let folders = folders
        .unwrap_or_else(|| panic!("FAILOVER_E2E_TOOLS is not set: run scripts/e2e, which builds the tools"));
    let mut tools = std::env::split_paths(&folders).map(|folder| folder.join(name));
    tools
        .find(|tool| tool.exists())
        .unwrap_or_else(|| panic!("no {name} in {}: run scripts/e2e, which builds it", folders.display()))
}
