//! Pages looked at as everybody may see them: by day and night, wide and narrow, with a screen reader's eyes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::browser::Browser;

/// Where to put pictures of the pages for people to look at, if anywhere.
pub(crate) fn picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("FAILOVER_PICTURES") else { return };
    fs::create_dir_all(&folder).unwrap();
    let shot =
        browser.chromium("Page.captureScreenshot", serde_json::json!({ "captureBeyondViewport": true }));
    let file = Path::new(&folder).join(format!("{name}.png"));
    super::process::feed(
        Command::new("sh").args(["-c", "base64 -d > \"$1\"", "sh"]).arg(file),
        shot["data"].as_str().unwrap().as_bytes(),
    );
}

/// Nothing that keeps somebody from using the page, and nothing wider than a phone.
pub(crate) fn inspect(browser: &Browser, name: &str) {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/axe.min.js");
    let checker = fs::read_to_string(&checker)
        .unwrap_or_else(|error| panic!("{}: {error}; scripts/axe-core fetches it", checker.display()));
    for (scheme, width) in [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390), ("light", 320)] {
        browser.look(scheme, width);
        browser.script(&checker);
        let found = browser.wait_for_script(
            "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then(r => done(r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html + ' ' + n.failureSummary)])), e => done(String(e)))",
        );
        assert_eq!(found, serde_json::json!([]), "{name}, {scheme}, {width} wide");
        let over = browser
            .script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert!(over.as_i64().unwrap() <= 0, "{name} is {over} wider than {width}");
        picture(browser, &format!("{name}-{scheme}-{width}"));
    }
    browser.look("light", 1200);
}
