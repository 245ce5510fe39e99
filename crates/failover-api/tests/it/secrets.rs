//! No secret is shown: not in logs at any level, not in answers, not in arguments of processes, whatever goes wrong.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::messages::Notifications;
use crate::notify::Receivers;
use crate::support::hook::Hook;
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{self, PATIENCE, feed, poll, run};
use crate::support::scene::Scene;
use crate::support::secret::Secret;
use crate::support::sshd::SshServer;
use crate::support::watched::{Watched, assert_none, canary};

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

/// What a pre-receive hook of a host that knows no discretion says.
const TALKATIVE: &str = "#!/bin/sh\nenv >&2\necho \"$HTTP_AUTHORIZATION\" >&2\nexit 1\n";

#[test]
fn credentials_that_a_hook_or_a_cut_off_answer_shows_are_not_shown() {
    let (password, token) = (canary("password"), canary("bearer"));
    let basic = "flux:".to_owned() + &password;
    let basic = feed(Command::new("openssl").args(["base64", "-A"]), basic.as_bytes()).stdout;
    let basic = String::from_utf8(basic).unwrap();
    let halves: Vec<&str> = [&password, &token, &basic].map(|secret| &secret[..secret.len() / 2]).into();
    let credentials = |number: usize| match number % 2 {
        0 => vec![("username", "flux".to_owned()), ("password", password.clone())],
        _ => vec![("bearerToken", token.clone())],
    };
    let start = |format: &str, script: &str, number: usize, scene: &Scene| {
        let https = HttpsServer::start_new(Access::Open);
        https.handle_with_script(script);
        let mut files = https.secret();
        files.extend(credentials(number).into_iter().map(|(name, value)| (name, value.into_bytes())));
        let secret = Secret::new(files);
        let server = serve(format, &[], scene, &https.url(scene.repository.path()), &secret);
        (https, secret, server)
    };
    // Answers whose quote ends somewhere within what was sent.
    for number in 0..12 {
        let pad = "x".repeat(545 + 5 * number);
        let script = format!(
            "#!/bin/sh\nprintf 'Status: 400 Bad Request\\r\\nContent-Type: text/plain\\r\\n\\r\\n{pad}%s' \"${{HTTP_AUTHORIZATION#* }}\"\n"
        );
        let scene = Scene::new(&["sonarr"]);
        let (_https, _secret, server) = start(FORMATS[number / 2 % 2], &script, number, &scene);
        server.wait_problem(&pad[..500]);
        server.assert_kept(&halves);
    }
    for (number, format) in FORMATS.into_iter().enumerate() {
        let scene = Scene::new(&["sonarr"]);
        scene.repository.install_hook("pre-receive", TALKATIVE);
        let script = "#!/bin/sh\nexport REMOTE_USER=flux\nexec \"$(git --exec-path)/git-http-backend\"\n";
        let (_https, _secret, server) = start(format, script, number, &scene);
        poll("it is ready", PATIENCE, || {
            let text = server.ask("GET", "/readyz");
            if text.contains("\"ok\"") { Ok(()) } else { Err(text) }
        });
        let refused = server.ask("POST", "/api/failover/sonarr/promote");
        assert!(refused.contains("remote-refused") && refused.contains("GATEWAY_INTERFACE"), "{refused}");
        server.assert_kept(&halves);
        // A content type that says more than it should.
        let script = "#!/bin/sh\nprintf 'Status: 200 OK\\r\\nContent-Type: text/%s\\r\\n\\r\\n' \"${HTTP_AUTHORIZATION#* }\"\n";
        let scene = Scene::new(&["sonarr"]);
        let (_https, _secret, server) = start(format, script, number, &scene);
        server.wait_problem("it answered text/***");
        server.assert_kept(&halves);
    }
}

#[test]
fn the_proof_of_a_github_app_is_not_shown() {
    let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Open));
    let key = run(Command::new("openssl").args(["genrsa", "2048"])).stdout;
    https.handle_with_script(
        "#!/bin/sh\nprintf %s \"${HTTP_AUTHORIZATION#* }\" >\"$HOME/proof.new\"; mv \"$HOME/proof.new\" \"$HOME/proof\"\n\
         printf 'Status: 401 Unauthorized\\r\\nContent-Type: application/json\\r\\n\\r\\n{\"message\": \"no: %s\"}' \"$HTTP_AUTHORIZATION\"\n",
    );
    let mut files = https.secret();
    let api = https.url(Path::new("/api"));
    files.extend([
        ("githubAppID", b"1".to_vec()),
        ("githubAppInstallationID", b"2".to_vec()),
        ("githubAppPrivateKey", key),
        ("githubAppBaseURL", api.into_bytes()),
    ]);
    let secret = Secret::new(files);
    let server = serve("json", &[], &scene, &https.url(scene.repository.path()), &secret);
    server.wait_problem("no: ***");
    let proof = fs::read_to_string(https.file("proof")).unwrap();
    // The header is the same for all, what is claimed and its signature are not.
    let claims = proof.split('.').nth(1).unwrap().to_owned();
    server.assert_kept(&[&claims[..30]]);
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
fn notifications_that_fail_or_are_mistyped_are_named_without_their_secrets() {
    let (token, path) = (canary("token"), canary("path"));
    for (format, status) in [("text", 500), ("json", 400), ("json", 302), ("text", 429), ("json", 200)] {
        let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
        hook.answer_with([status; 100]);
        let url = hook.url();
        let items = format!(
            "- {{name: own, type: webhook, url: '{url}/{path}?key={path}', token_file: token, headers: {{X-Key: {path}}}}}\n\
             - {{name: phone, type: ntfy, url: '{url}/{path}', token_file: token}}\n\
             - {{name: discord, type: discord, url_file: address}}\n\
             - {{name: slack, type: slack, url_file: address}}\n\
             - {{name: gotify, type: gotify, url: '{url}/{path}', token_file: token}}\n\
             - {{name: gone, type: slack, url: 'http://127.0.0.1:1/{path}'}}\n\
             - {{name: tls, type: slack, url: '{}/{path}'}}\n\
             - {{name: lost, type: slack, url_file: {}}}\n\
             - {{name: odd, type: slack, url_file: odd}}\n\
             - {{name: worse, type: gotify, url: '{url}/{path}', token_file: odd}}\n",
            url.replace("http:", "https:"),
            canary("file"),
        );
        let notifications = Notifications::new(&items);
        notifications.write("token", &token);
        notifications.write("address", &format!("{url}/{path}"));
        notifications.write("odd", &format!("htp:/ {path}\u{fc}"));
        let mut arguments = scene.local();
        arguments.extend(["--notifications".into(), notifications.file().into_os_string()]);
        let server = Watched::start(format, &[], &arguments);
        poll("it is ready", PATIENCE, || {
            let text = server.ask("GET", "/readyz");
            if text.contains("\"ok\"") { Ok(()) } else { Err(text) }
        });
        server.ask("POST", "/api/failover/sonarr/promote");
        let told = hook.wait(5);
        assert!(told.iter().any(|told| told.header("x-gotify-key") == Some(&token)), "{told:?}");
        assert!(told.iter().any(|told| told.header("x-key") == Some(&path)), "{told:?}");
        for mistake in [
            format!("- {{name: a, type: slack, url: 'http://me:{path}@h/x'}}\n"),
            format!("- {{name: a, type: slack, url: 'htp://h/{path}'}}\n"),
            format!("- name: a\n  url http://h/{path}\n"),
            format!("- {{name: a, type: webhook, url: 'http://h/x', headers: {{A: \"{path}\u{fc}\"}}}}\n"),
            format!("- {{name: a, type: webhook, url: 'http://h/x', token: {token}}}\n"),
            format!(
                "- {{name: a, type: webhook, url: 'http://h/x', template: 'http://h/{path} {{{{ x }}}}'}}\n"
            ),
        ] {
            notifications.list(&mistake);
            server.wait_problem("notifications-invalid");
            server.ask("POST", "/api/failover/sonarr/demote");
        }
        server.assert_kept(&[&token, &path, &canary("file")]);
        // The command says no more.
        notifications.list(&items);
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().env("FAILOVER_API_LOG", "trace").args(["notify", "test", "--notifications"]);
        let output = command.arg(notifications.file()).output().unwrap();
        let said = process::said(&output);
        assert!(said.contains("slack: "), "{said}");
        assert_none(&said, &[&token, &path, &canary("file")]);
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
