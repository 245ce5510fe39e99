//! A real browser, driven as a person would: Debian's Chromium behind its WebDriver.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use super::process::{PATIENCE, Pid, Signal, poll, signal, tree};

/// How the browser is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// Keys as WebDriver writes them.
pub(crate) const TAB: char = '\u{E004}';
pub(crate) const ENTER: char = '\u{E007}';

/// What the browser says of an answer that is not 200; whoever tests such an answer expects it.
pub(crate) const NOT_OK: &str = "Failed to load resource: the server responded with a status of";

/// A window of a browser that nobody used before. Ends with everything it started when dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    agent: Agent,
    _home: TempDir,
}

impl Browser {
    pub(crate) fn start(scripts: Scripts) -> Self {
        let home = TempDir::new().unwrap();
        let mut driver = Command::new("chromedriver");
        driver
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        driver.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        driver.env("HOME", home.path()).env("TMPDIR", home.path());
        let mut driver =
            driver.spawn().unwrap_or_else(|error| panic!("chromedriver: {error}; scripts/test installs it"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let started = lines.find_map(|line| {
            Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned())
        });
        let port = started.unwrap_or_else(|| panic!("chromedriver did not start"));
        std::thread::spawn(move || lines.for_each(drop));
        let agent =
            Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE));
        let agent = agent.build().into();
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { driver, session, agent, _home: home };
        // The sandbox of a container's root is the container.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--lang=en",
            "--window-size=1200,900",
        ];
        let javascript = match scripts {
            Scripts::On => 1,
            Scripts::Off => 2,
        };
        let options = json!({ "args": arguments, "prefs": { "profile.managed_default_content_settings.javascript": javascript } });
        let capabilities = json!({ "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } });
        let made = browser.ask("", &json!({ "capabilities": capabilities }));
        browser.session += &format!("/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        self.try_ask(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn try_ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        let sent = self.agent.post(format!("{}{path}", self.session)).send(body.to_string());
        let mut answer = sent.map_err(|error| error.to_string())?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if answer["value"]["error"].is_string() { Err(text) } else { Ok(answer["value"].take()) }
    }

    pub(crate) fn open(&self, url: &str) {
        self.ask("/url", &json!({ "url": url }));
    }

    /// The value of a script's `return`; works where pages may run none, too.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script hands to `arguments[0]`.
    pub(crate) fn wait_for_script(&self, script: &str) -> Value {
        self.ask("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// A command of Chromium's own.
    pub(crate) fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.ask("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Whether pages see a dark mode, and how wide the window is.
    pub(crate) fn look(&self, scheme: &str, width: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features }));
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", size);
    }

    /// The text that is shown by the elements; waits until there is one that shows some.
    pub(crate) fn text(&self, selector: &str) -> String {
        poll(selector, PATIENCE, || {
            let text = self.script(&format!(
                "return [...document.querySelectorAll({selector:?})].filter(e => e.checkVisibility()).map(e => e.innerText).join('\\n')"
            ));
            text.as_str()
                .filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
                .ok_or_else(|| self.script("return document.body.innerText").to_string())
        })
    }

    /// Waits until the elements show `wanted`.
    pub(crate) fn wait_text(&self, selector: &str, wanted: &str) {
        poll(&format!("{selector}: {wanted}"), PATIENCE, || {
            let text = self.text(selector);
            if text.contains(wanted) { Ok(()) } else { Err(text) }
        });
    }

    fn find(&self, selector: &str) -> String {
        let found = poll(selector, PATIENCE, || {
            self.try_ask("/element", &json!({ "using": "css selector", "value": selector }))
        });
        format!("/element/{}", found.as_object().unwrap().values().next().unwrap().as_str().unwrap())
    }

    /// Clicks where it is, as soon as it can be clicked.
    pub(crate) fn click(&self, selector: &str) {
        poll(selector, PATIENCE, || self.try_ask(&format!("{}/click", self.find(selector)), &json!({})));
    }

    /// Chooses from a list by what is shown.
    pub(crate) fn choose(&self, selector: &str, shown: &str) {
        let options = format!("{selector} option");
        let script = format!(
            "return [...document.querySelectorAll({options:?})].findIndex(o => o.text === {shown:?}) + 1"
        );
        let place = poll(shown, PATIENCE, || match self.script(&script).as_u64() {
            Some(place @ 1..) => Ok(place),
            _ => Err(self.text(selector)),
        });
        self.click(&format!("{options}:nth-child({place})"));
    }

    /// Writes into a field.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        poll(selector, PATIENCE, || {
            self.try_ask(&format!("{}/value", self.find(selector)), &json!({ "text": text }))
        });
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.ask("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// What has the focus: its text, label or name.
    pub(crate) fn focused(&self) -> String {
        let script = "const e = document.activeElement; return (e.labels?.[0]?.innerText || e.innerText || e.tagName).trim()";
        self.script(script).as_str().unwrap().to_owned()
    }

    /// Presses Tab until the focus is on what says `wanted`.
    pub(crate) fn tab_to(&self, wanted: &str) {
        let seen: Vec<String> = (0..60)
            .map_while(|_| {
                self.press(&TAB.to_string());
                Some(self.focused()).filter(|text| !text.starts_with(wanted))
            })
            .collect();
        assert!(seen.len() < 60, "Tab never reaches {wanted:?}: {seen:?}");
    }

    /// Nothing was written to the console, no policy was violated, but for lines that hold one of `expected`.
    pub(crate) fn assert_quiet(&self, expected: &[&str]) {
        let log = self.ask("/se/log", &json!({ "type": "browser" }));
        let loud = log.as_array().unwrap().iter().filter(|entry| {
            let message = entry["message"].as_str().unwrap();
            !matches!(entry["level"].as_str(), Some("DEBUG" | "INFO"))
                && !expected.iter().any(|part| message.contains(part))
        });
        assert_eq!(loud.collect::<Vec<_>>(), Vec::<&Value>::new());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let pid = Pid::from_child(&self.driver);
        tree(pid).into_iter().for_each(|pid| signal(pid, Signal::KILL));
        let _ = self.driver.wait();
    }
}
