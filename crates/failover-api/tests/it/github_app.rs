//! Moving services with the identity of a GitHub App: a key proves the app, and a token is given for it.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::git::git;
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{PATIENCE, poll, run};
use crate::support::scene::{Scene, manifest, moved, ready};
use crate::support::secret::Secret;

/// What stands before Git's program: it gives tokens to whoever proves to be the app, and lets in who has the newest.
const GITHUB: &str = r#"#!/bin/sh
cd "$HOME"
answer() { printf 'Status: %s\r\nContent-Type: application/json\r\n\r\n%s' "$1" "$2"; exit 0; }
decode() {
  word=$(printf %s "$1" | tr -- -_ +/)
  case $((${#word} % 4)) in 2) word="$word==" ;; 3) word="$word=" ;; esac
  printf %s "$word" | openssl base64 -d -A
}
claim() { printf %s "$claims" | sed -n "s/.*\"$1\":\"\{0,1\}\([0-9]*\).*/\1/p"; }
case $REQUEST_URI in /api/*)
  echo "$REQUEST_METHOD $REQUEST_URI" >>api_log
  [ ! -e sick ] || answer '503 Service Unavailable' '{"message": "We are having trouble"}'
  proof=${HTTP_AUTHORIZATION#Bearer }
  text=${proof%.*}
  printf %s "$text" >text.$$
  decode "${proof##*.}" >signature.$$
  openssl dgst -sha256 -verify app.pub -signature signature.$$ text.$$ >/dev/null 2>&1 ||
    answer '401 Unauthorized' '{"message": "A JSON web token could not be decoded"}'
  claims=$(decode "${text#*.}")
  now=$(date +%s)
  [ "$(decode "${text%.*}")" = '{"alg":"RS256","typ":"JWT"}' ] && [ "$(claim iss)" = 12345 ] &&
    [ "$(claim iat)" -lt "$now" ] && [ "$(claim exp)" -gt "$now" ] && [ $(($(claim exp) - $(claim iat))) -le 660 ] ||
    answer '401 Unauthorized' '{"message": "Expiration time claim is wrong"}'
  case "$REQUEST_METHOD $REQUEST_URI" in
  'POST /api/app/installations/678/access_tokens')
    token=ghs_$(openssl rand -hex 18)
    printf %s "$token" >token
    echo "$token" >>tokens
    answer '201 Created' "{\"token\": \"$token\", \"expires_at\": \"$(date -u -d "$(cat lifetime)" +%FT%TZ)\", \"permissions\": {\"contents\": \"write\"}}" ;;
  'GET /api/users/anna/installation') answer '200 OK' '{"id": 678, "app_id": 12345}' ;;
  esac
  answer '404 Not Found' '{"message": "Not Found"}' ;;
esac
wanted="Basic $(printf 'x-access-token:%s' "$(cat token)" | openssl base64 -A)"
if [ "$HTTP_AUTHORIZATION" != "$wanted" ]; then
  printf 'Status: 401 Unauthorized\r\nWWW-Authenticate: Basic realm="GitHub"\r\n\r\n'
  exit 0
fi
export REMOTE_USER=app
exec "$(git --exec-path)/git-http-backend"
"#;

/// A host that knows one app.
struct GitHub {
    https: HttpsServer,
    keys: TempDir,
}

impl GitHub {
    fn start_new() -> Self {
        let (https, keys) = (HttpsServer::start_new(Access::Open), TempDir::new().unwrap());
        for name in ["app", "other"] {
            // GitHub gives keys in the traditional form.
            run(Command::new("openssl")
                .args(["genrsa", "-traditional", "-out"])
                .arg(keys.path().join(name))
                .arg("2048"));
        }
        run(Command::new("openssl")
            .args(["rsa", "-pubout", "-in"])
            .arg(keys.path().join("app"))
            .arg("-out")
            .arg(https.file("app.pub")));
        fs::write(https.file("token"), "nobody's").unwrap();
        https.handle_with_script(GITHUB);
        let github = Self { https, keys };
        github.give_tokens_for("1 hour");
        github
    }

    /// How long tokens last from now on, in words that `date` knows.
    fn give_tokens_for(&self, lifetime: &str) {
        fs::write(self.https.file("lifetime"), lifetime).unwrap();
    }

    fn secret(&self, key: &[u8], installation: (&'static str, &str)) -> Vec<(&'static str, Vec<u8>)> {
        let root = self.https.url(std::path::Path::new("/api"));
        let mut files = self.https.secret();
        files.extend([
            ("githubAppID", b"12345\n".to_vec()),
            (installation.0, installation.1.into()),
            ("githubAppPrivateKey", key.to_vec()),
            ("githubAppBaseURL", root.into_bytes()),
        ]);
        files
    }

    fn key(&self, name: &str) -> Vec<u8> {
        fs::read(self.keys.path().join(name)).unwrap()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.https.file(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn start(&self, scene: &Scene, secret: &Secret) -> Server {
        Server::start(scene.with_secret(&self.https.url(scene.repository.path()), secret))
    }
}

const INSTALLATION: (&str, &str) = ("githubAppInstallationID", "678");

fn there_and_back(scene: &Scene, server: &Server) {
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn an_app_moves_services_with_one_token_for_as_long_as_it_lasts() {
    let github = GitHub::start_new();
    let pkcs8 = run(Command::new("openssl")
        .args(["pkcs8", "-topk8", "-nocrypt", "-in"])
        .arg(github.keys.path().join("app")))
    .stdout;
    for (key, installation) in [
        (github.key("app"), INSTALLATION),
        (pkcs8, INSTALLATION),
        (github.key("app"), ("githubAppInstallationOwner", "anna")),
    ] {
        let scene = Scene::new(&["sonarr"]);
        let secret = Secret::new(github.secret(&key, installation));
        let before = github.lines("tokens").len();
        let server = ready(github.start(&scene, &secret));
        there_and_back(&scene, &server);
        // What the app has is what it was given, once.
        let tokens = github.lines("tokens").split_off(before);
        assert_eq!(tokens.len(), 1, "{:?}", github.lines("api_log"));
        let said = server.log().join("\n") + &server.get("/api/health").text;
        let key = String::from_utf8(key).unwrap();
        for line in key.lines().filter(|line| !line.starts_with("-----")).chain([tokens[0].as_str()]) {
            assert!(!said.contains(line), "{line} was shown");
        }
    }
}

#[test]
fn a_token_that_ends_or_is_revoked_is_replaced() {
    let github = GitHub::start_new();
    let scene = Scene::new(&["sonarr"]);
    let secret = Secret::new(github.secret(&github.key("app"), INSTALLATION));
    // So short that it may end under way: each request gets another one, and only the newest is let in.
    github.give_tokens_for("1 minute");
    let server = ready(github.start(&scene, &secret));
    there_and_back(&scene, &server);
    let tokens = github.lines("tokens").len();
    assert!(tokens > 3, "{tokens} tokens");
    // Longer ones, of which the host takes the next back.
    github.give_tokens_for("1 hour");
    there_and_back(&scene, &server);
    let tokens = github.lines("tokens").len();
    there_and_back(&scene, &server);
    assert_eq!(github.lines("tokens").len(), tokens);
    fs::write(github.https.file("token"), "revoked").unwrap();
    there_and_back(&scene, &server);
    assert_eq!(github.lines("tokens").len(), tokens + 1);
    assert!(scene.repository.is_linear());
    run(git(scene.repository.path()).arg("fsck"));
}

#[test]
fn an_app_that_proves_nothing_is_told_so() {
    let github = GitHub::start_new();
    let scene = Scene::new(&["sonarr"]);
    let secret = Secret::new(github.secret(&github.key("other"), INSTALLATION));
    let server = github.start(&scene, &secret);
    let waits = |code: &str, words: &str| {
        poll(words, PATIENCE, || {
            server.promote("sonarr").assert_problem(502, code);
            let health = server.get("/api/health");
            let problem = &health.json["problems"][0];
            let matches = problem["code"] == code
                && problem["detail"].as_str().is_some_and(|detail| detail.contains(words));
            if matches { Ok(()) } else { Err(health.text) }
        });
    };
    waits("credentials-rejected", "A JSON web token could not be decoded");
    secret.replace(github.secret(b"no key at all", INSTALLATION));
    waits("credentials-rejected", "githubAppPrivateKey");
    secret.replace(github.secret(&github.key("app"), ("githubAppInstallationID", "999")));
    waits("credentials-rejected", "Not Found");
    // A host in trouble is not the fault of whoever has the right key.
    fs::write(github.https.file("sick"), "").unwrap();
    secret.replace(github.secret(&github.key("app"), INSTALLATION));
    waits("remote-failed", "having trouble");
    fs::remove_file(github.https.file("sick")).unwrap();
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.repository.commit_count(), 2);
}
