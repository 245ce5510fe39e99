//! No secret is shown: not in logs at any level, not in answers, not in arguments of processes, whatever goes wrong.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use crate::notify::Receivers;
use crate::support::hook::Hook;
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{self, PATIENCE, Pid, Signal, feed, poll, run, signal};
use crate::support::scene::Scene;
use crate::support::secret::Secret;
use crate::support::sshd::SshServer;

/// A secret that is easily found again.
fn canary(name: &str) -> String {
    format!("canary-{name}-5up3rs3cr3t")
}

/// A server at its most talkative, and everything that it and its children have shown.
struct Watched {
    child: Child,
    agent: Agent,
    address: String,
    shown: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watched {
    fn start(format: &str, environment: &[(&str, &str)], arguments: &[OsString]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("FAILOVER_API_LOG", "trace").envs(environment.iter().copied());
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", format]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let (shown, stop) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = thread::spawn({
            let shown = Arc::clone(&shown);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *shown.lock().unwrap() += &format!("{line}\n");
                }
            }
        });
        let pid = Pid::from_child(&child);
        let arguments = thread::spawn({
            let (shown, stop) = (Arc::clone(&shown), Arc::clone(&stop));
            move || {
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    for line in process::tree(pid).into_iter().map(process::command_line) {
                        if seen.insert(line.clone()) {
                            *shown.lock().unwrap() += &format!("process: {line}\n");
                        }
                    }
                }
            }
        });
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE * 2))
            .build()
            .into();
        let address = poll("it listens", PATIENCE, || {
            let text = shown.lock().unwrap().clone();
            let line = text.lines().find(|line| line.contains("listening")).ok_or(text.clone())?;
            let port = line.split("127.0.0.1:").nth(1).unwrap();
            Ok(format!("http://127.0.0.1:{}", port.split(|c: char| !c.is_ascii_digit()).next().unwrap()))
        });
        Self { child, agent, address, shown, stop, threads: vec![log, arguments] }
    }

    /// Asks, and keeps the answer with everything else that was shown.
    fn ask(&self, method: &str, path: &str) -> String {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        let request = request.header("authorization", format!("Bearer {}", canary("caller")));
        let mut answer = match method {
            "GET" => self.agent.run(request.body(()).unwrap()).unwrap(),
            _ => self.agent.run(request.body("").unwrap()).unwrap(),
        };
        let text = answer.body_mut().read_to_string().unwrap();
        let route = path.split('?').next().unwrap();
        *self.shown.lock().unwrap() += &format!("{method} {route}: {:?}\n{text}\n", answer.headers());
        text
    }

    /// Asks until health has a problem in these words.
    fn wait_problem(&self, words: &str) {
        poll(words, PATIENCE, || {
            let health: Value = serde_json::from_str(&self.ask("GET", "/api/health")).unwrap();
            let problems = health["problems"].to_string();
            if problems.contains(words) { Ok(()) } else { Err(problems) }
        });
    }

    /// Asks for everything, ends the server, and holds what was shown against the secrets.
    fn assert_kept(mut self, secrets: &[&str]) {
        for path in [
            "/api/services",
            "/api/failover/sonarr/status",
            "/api/failover/sonarr/promote?dry-run=true",
            "/api/history",
            "/api/operations",
            "/api/health",
            "/readyz",
            "/metrics",
        ] {
            self.ask("GET", path);
        }
        self.ask("POST", &format!("/api/failover/sonarr/promote?token={}", canary("caller")));
        self.ask("POST", "/api/failover/sonarr/promote");
        self.ask("POST", "/api/failover/sonarr/demote");
        self.stop.store(true, Ordering::Relaxed);
        signal(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().unwrap();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let shown = self.shown.lock().unwrap().clone();
        assert!(shown.contains("process: ") && shown.contains("listening") && shown.contains("GET /metrics"));
        assert_none(&shown, secrets);
        assert_none(&shown, &[&canary("caller")]);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let tree = process::tree(Pid::from_child(&self.child));
        tree.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        let _ = self.child.wait();
    }
}

/// The secret as it is, and as HTTP or an address would carry it.
fn forms(secret: &str) -> Vec<String> {
    let base64 = |text: &str| {
        let encoded = feed(Command::new("openssl").args(["base64", "-A"]), text.as_bytes()).stdout;
        // What comes before it in a longer text shifts it, and its ends are mixed with what is beside it.
        let encoded = String::from_utf8(encoded).unwrap();
        encoded[4..encoded.len() - 8].to_owned()
    };
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let shifted = ["", "x", "xx"].map(|before| base64(&format!("{before}{secret}")));
    [secret.to_owned(), hex].into_iter().chain(shifted).collect()
}

fn assert_none(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        for form in forms(secret) {
            if let Some(at) = shown.find(&form) {
                let from = shown[..at].rfind('\n').map_or(0, |start| start + 1);
                let to = shown[at..].find('\n').map_or(shown.len(), |end| at + end);
                panic!("{secret} was shown as {form}:\n{}", &shown[from..to]);
            }
        }
    }
}

/// Both formats, since they are written by different code.
const FORMATS: [&str; 2] = ["text", "json"];

/// Answers every request with all that it was sent, in the body and in a header.
fn echo(status: &str) -> String {
    format!(
        "#!/bin/sh\nprintf 'Status: {status}\\r\\nLocation: https://elsewhere.example/%s\\r\\nWWW-Authenticate: Basic realm=\"%s\"\\r\\n\
         Content-Type: text/plain\\r\\n\\r\\n' \"$HTTP_AUTHORIZATION\" \"$HTTP_AUTHORIZATION\"\n\
         env; printf %s \"${{HTTP_AUTHORIZATION#* }}\" | openssl base64 -d -A; echo\n"
    )
}

fn serve(format: &str, environment: &[(&str, &str)], scene: &Scene, url: &str, secret: &Secret) -> Watched {
    Watched::start(format, environment, &scene.with_secret(url, secret))
}

#[test]
fn credentials_that_a_web_server_sends_back_are_not_shown() {
    for (format, status) in [
        ("text", "403 Forbidden"),
        ("json", "401 Unauthorized"),
        ("json", "302 Found"),
        ("json", "500 Internal Server Error"),
        ("text", "200 OK"),
    ] {
        let (password, token) = (canary("password"), canary("bearer"));
        let files = [
            vec![("username", "flux".to_owned()), ("password", password.clone())],
            vec![("bearerToken", token.clone())],
        ];
        for credentials in files {
            let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Open));
            https.handle_with_script(&echo(status));
            let mut files = https.secret();
            files.extend(credentials.iter().map(|(name, value)| (*name, value.clone().into_bytes())));
            let secret = Secret::new(files);
            let server = serve(format, &[], &scene, &https.url(scene.repository.path()), &secret);
            server.wait_problem("code");
            server.assert_kept(&[&password, &token]);
        }
    }
}

#[test]
fn a_proxy_with_a_password_that_fails_is_named_without_it() {
    for format in FORMATS {
        let (scene, https, proxy) =
            (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Basic), Hook::start());
        let (secret, password) = (Secret::new(https.secret()), canary("proxy"));
        let at = proxy.url().replace("http://", "");
        for address in [
            format!("http://me:{password}@{at}"),
            format!("http://me:{password}@127.0.0.1:1"),
            format!("nonsense://me:{password}@host:x"),
        ] {
            proxy.answer_with([407; 100]);
            let receivers = Receivers::new(
                &format!(
                    "receivers:\n- {{name: out, url: 'https://h.example/{}', type: generic}}\n",
                    canary("path")
                ),
                "",
            );
            let mut arguments = scene.with_secret(&https.url(scene.repository.path()), &secret);
            arguments.extend(["--receivers".into(), receivers.file().into_os_string()]);
            let server = Watched::start(format, &[("HTTPS_PROXY", &address)], &arguments);
            // One that cannot be read is no proxy.
            if address.starts_with("http://") {
                server.wait_problem("code");
            }
            server.assert_kept(&[&password, &canary("path"), crate::support::https::PASSWORD]);
        }
    }
}

#[test]
fn files_of_a_secret_that_hold_something_else_are_named_without_it() {
    let broken = |name: &'static str| (name, format!("-----BEGIN NONSENSE-----\n{}\n", canary(name)));
    let cases: [Vec<(&str, String)>; 9] = [
        vec![("bearerToken", format!("{}\u{7}\u{fc}", canary("bearerToken")))],
        vec![
            ("username", "a".into()),
            ("password", format!("{}\0\n\n{}", canary("password"), canary("password"))),
        ],
        vec![broken("ca.crt")],
        vec![("tls.crt", canary("tls.crt"))],
        vec![broken("tls.crt"), broken("tls.key")],
        vec![("githubAppID", canary("githubAppID")), broken("githubAppPrivateKey")],
        vec![
            ("githubAppID", "1".into()),
            ("githubAppInstallationID", "2".into()),
            broken("githubAppPrivateKey"),
        ],
        vec![("githubAppID", "1".into()), ("githubAppInstallationID", canary("githubAppInstallationID"))],
        vec![
            ("githubAppID", "1".into()),
            ("githubAppInstallationID", "2".into()),
            (
                "githubAppPrivateKey",
                format!(
                    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
                    canary("githubAppPrivateKey")
                ),
            ),
            ("githubAppBaseURL", format!("https://me:{}@h.example", canary("githubAppBaseURL"))),
        ],
    ];
    let names = [
        "bearerToken",
        "password",
        "ca.crt",
        "tls.crt",
        "tls.key",
        "githubAppPrivateKey",
        "githubAppBaseURL",
    ];
    let secrets: Vec<String> = names.iter().map(|name| canary(name)).collect();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    for (number, case) in cases.into_iter().enumerate() {
        let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Basic));
        let mut files = vec![https.secret().swap_remove(0)];
        files.retain(|(name, _)| case.iter().all(|(broken, _)| broken != name));
        files.extend(case.into_iter().map(|(name, text)| (name, text.into_bytes())));
        let secret = Secret::new(files);
        let url = https.url(scene.repository.path());
        let server = serve(FORMATS[number % 2], &[], &scene, &url, &secret);
        server.wait_problem("code");
        server.assert_kept(&secrets);
    }
}

#[test]
fn the_key_and_token_of_a_github_app_are_not_shown() {
    for format in FORMATS {
        let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Open));
        let key = String::from_utf8(run(Command::new("openssl").args(["genrsa", "2048"])).stdout).unwrap();
        let token = canary("installation");
        // It gives a token, and refuses whoever comes with it in the words of the token.
        https.handle_with_script(&format!(
            "#!/bin/sh\ncase $REQUEST_URI in /api/*) printf 'Status: 201 Created\\r\\nContent-Type: application/json\\r\\n\\r\\n\
             {{\"token\": \"{token}\", \"expires_at\": \"2199-01-01T00:00:00Z\", \"echo\": \"%s\"}}' \"$HTTP_AUTHORIZATION\"; exit;; esac\n{}",
            echo("403 Forbidden").trim_start_matches("#!/bin/sh\n")
        ));
        let mut files = https.secret();
        let api = https.url(Path::new("/api"));
        files.extend([
            ("githubAppID", b"1".to_vec()),
            ("githubAppInstallationID", b"2".to_vec()),
            ("githubAppPrivateKey", key.clone().into_bytes()),
            ("githubAppBaseURL", api.into_bytes()),
        ]);
        let secret = Secret::new(files);
        let server = serve(format, &[], &scene, &https.url(scene.repository.path()), &secret);
        server.wait_problem("credentials-rejected");
        let mut secrets: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
        secrets.retain(|line| line.len() > 20);
        assert!(secrets.len() > 10);
        secrets.push(&token);
        server.assert_kept(&secrets);
    }
}

#[test]
fn ssh_keys_that_work_fail_or_are_none_are_not_shown() {
    for (format, kind) in
        [("text", "right"), ("json", "right"), ("json", "wrong"), ("text", "broken"), ("json", "broken")]
    {
        let (scene, sshd, folder) =
            (Scene::new(&["sonarr"]), SshServer::start_new(), TempDir::new().unwrap());
        let key = match kind {
            "right" => sshd.key(),
            "wrong" => sshd.wrong_key(),
            _ => {
                let key = folder.path().join("identity");
                let text = fs::read_to_string(sshd.key()).unwrap();
                fs::write(&key, text.replacen("-----\n", &format!("-----\n{}\n", canary("key")), 1)).unwrap();
                run(Command::new("chmod").arg("400").arg(&key));
                key
            }
        };
        let url = sshd.url(scene.repository.path());
        let mut arguments = scene.ssh_with(&url, &key, &sshd);
        // A signing key that is none.
        if kind == "broken" {
            let signing = folder.path().join("signing");
            fs::write(&signing, format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n", canary("signing")))
                .unwrap();
            arguments.extend([OsString::from("--signing-key"), signing.into_os_string()]);
        }
        let server = Watched::start(format, &[], &arguments);
        match kind {
            "right" => {
                poll("it is ready", PATIENCE, || {
                    let text = server.ask("GET", "/readyz");
                    if text.contains("\"ok\"") { Ok(()) } else { Err(text) }
                });
            }
            "wrong" => server.wait_problem("ssh-key-rejected"),
            _ => server.wait_problem("ssh-key-"),
        }
        let (signing, of_canary) = (canary("signing"), canary("key"));
        let text = fs::read_to_string(&key).unwrap();
        let mut secrets = vec![signing.as_str(), of_canary.as_str()];
        // The first lines of any key of a kind are alike; what follows is its own.
        secrets.extend(text.lines().filter(|line| !line.starts_with("-----") && line.len() > 20));
        server.assert_kept(&secrets);
    }
}

#[test]
fn receivers_that_fail_or_are_mistyped_are_named_without_their_secrets() {
    let (token, path) = (canary("token"), canary("path"));
    for (format, status) in [("text", 500), ("json", 400), ("json", 302), ("text", 200)] {
        let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
        hook.answer_with([status; 100]);
        let text = format!(
            "receivers:\n- {{name: plain, url: '{0}/{path}?key={path}', type: generic}}\n\
             - {{name: signed, url: '{0}/{path}', type: generic-hmac, token_file: token}}\n\
             - {{name: flux, flux: {{namespace: a, name: b, address: '{0}'}}, token_file: token}}\n\
             - {{name: gone, url: 'http://127.0.0.1:1/{path}', type: generic}}\n\
             - {{name: tls, url: '{1}/{path}', type: generic}}\n\
             - {{name: lost, url: '{0}/{path}', type: generic-hmac, token_file: {2}}}\n",
            hook.url(),
            hook.url().replace("http:", "https:"),
            canary("file")
        );
        let receivers = Receivers::new(&text, &token);
        let mut arguments = scene.local();
        arguments.extend(["--receivers".into(), receivers.file().into_os_string()]);
        let server = Watched::start(format, &[], &arguments);
        poll("it is ready", PATIENCE, || {
            let text = server.ask("GET", "/readyz");
            if text.contains("\"ok\"") { Ok(()) } else { Err(text) }
        });
        server.ask("POST", "/api/failover/sonarr/promote");
        let told = hook.wait(3);
        let paths: Vec<String> = told.iter().map(|told| told.line.replace("POST ", "")).collect();
        let signatures: Vec<&str> = told.iter().filter_map(|told| told.header("x-signature")).collect();
        assert!(signatures.len() >= 2 && paths.iter().any(|path| path.starts_with("/hook/")), "{paths:?}");
        // Both are given away by nothing but the request itself.
        let secrets: Vec<String> = paths
            .iter()
            .chain([&token, &path, &canary("file")])
            .cloned()
            .chain(signatures.iter().map(|signature| signature.trim_start_matches("sha256=").to_owned()))
            .collect();
        for mistake in [
            format!("receivers:\n- {{name: a, url: 'http://me:{path}@h/x', type: generic}}\n"),
            format!("receivers:\n- {{name: a, url: 'htp://h/{path}', type: generic}}\n"),
            format!("receivers:\n- name: a\n  url http://h/{path}\n"),
            format!("receivers:\n- {{name: a, url: 'http://h/x', type: generic-hmac, token: {token}}}\n"),
            format!("receivers: \"http://h/{path}\\q\"\n"),
        ] {
            receivers.write("receivers.yaml", &mistake);
            server.wait_problem("receivers-invalid");
            server.ask("POST", "/api/failover/sonarr/demote");
        }
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        server.assert_kept(&secrets);
    }
}

#[test]
fn an_address_that_is_mistyped_is_not_repeated() {
    let token = canary("address");
    let arguments: [&[&str]; 7] = [
        &["--repo", &format!("https//{token}@host/x")],
        &["--repo", &format!("https://me:{token}@host/x")],
        &["--repo", &format!("https://host/x?token={token}")],
        &["--repo", &format!("{token}://host/x")],
        &["--repo", &token],
        &[&format!("https://{token}@host/x")],
        &["--repo", "/", "--branch", &format!("https://{token}@host/x")],
    ];
    for arguments in arguments {
        for variable in [false, true] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
            command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).arg("serve");
            match arguments {
                ["--repo", value] if variable => command.env("FAILOVER_API_REPO", value),
                [first @ .., "--branch", value] if variable => {
                    command.args(first).env("FAILOVER_API_BRANCH", value)
                }
                _ => command.args(arguments),
            };
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert_none(&process::said(&output), &[&token]);
        }
    }
}

#[test]
fn the_search_for_secrets_finds_them() {
    let secret = canary("search");
    let encoded =
        feed(Command::new("openssl").args(["base64", "-A"]), format!("me:{secret}!").as_bytes()).stdout;
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    for shown in [format!("a {secret} b"), String::from_utf8(encoded).unwrap(), hex] {
        let found = std::panic::catch_unwind(|| assert_none(&shown, &[&secret]));
        assert!(found.is_err(), "{shown}");
    }
}
