//! A headless Chromium, driven by its DevTools protocol through a pipe: messages are JSON, each
//! ended by a zero byte, on the descriptors 3 and 4 of the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    "--window-size=1280,900",
    "--remote-debugging-pipe",
];

/// A browser with one page. It ends with this value.
pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    last_id: u64,
    /// Events of the page, as they came.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// Where a Chromium is, if there is one.
pub fn find() -> Option<PathBuf> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |f| f.join(name)));
    candidates.into_iter().find(|p| p.is_file())
}

impl Chromium {
    /// Opens `address` and waits until it is loaded.
    pub fn open(program: &Path, address: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The shell moves the pipes to where Chromium looks for them.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null",
            ])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut from_browser = BufReader::new(child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while from_browser
                .read_until(0, &mut message)
                .is_ok_and(|n| n > 0)
            {
                message.pop();
                let read = serde_json::from_slice(&message);
                if read.map_or(true, |m: Value| sender.send(m).is_err()) {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            session: String::new(),
            last_id: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.go(address);
        browser
    }

    /// Loads another address.
    pub fn go(&mut self, address: &str) {
        self.events.retain(|e| e["method"] != "Page.loadEventFired");
        self.call("Page.navigate", json!({"url": address}));
        let began = Instant::now();
        while !self
            .events
            .iter()
            .any(|e| e["method"] == "Page.loadEventFired")
        {
            self.receive(began);
        }
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        let began = Instant::now();
        loop {
            if let Some(answer) = self.receive(began) {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    /// Takes one message: events are kept, the answer to the last call is returned.
    fn receive(&mut self, began: Instant) -> Option<Value> {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let message = self
            .from
            .recv_timeout(left)
            .expect("Chromium says nothing any more");
        if message["id"] == self.last_id {
            return Some(message);
        }
        self.events.push(message);
        None
    }

    /// The value of an expression of JavaScript, as after a user's gesture.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true,
        });
        let result = self.call("Runtime.evaluate", parameters);
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != true {
            assert!(
                began.elapsed() < PATIENCE,
                "it never became true: {expression}"
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Presses keys, one after the other: characters, or names such as `ArrowDown`.
    pub fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (text, code) = match *key {
                "Enter" => ("\r", 13),
                "Escape" => ("", 27),
                key if key.chars().count() == 1 => (key, 0),
                _ => ("", 0),
            };
            for (kind, text) in [("keyDown", text), ("keyUp", "")] {
                let event =
                    json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
                self.call("Input.dispatchKeyEvent", event);
            }
        }
    }

    /// Clicks into the middle of the first element of a selector.
    pub fn click(&mut self, selector: &str) {
        let middle = self.value(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center'}}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// What the page complained about: errors and warnings of the console, exceptions, and what
    /// the browser logged.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                matches!(
                    event["params"]["type"].as_str(),
                    Some("error" | "warning" | "assert")
                )
            }
            Some("Log.entryAdded") => {
                matches!(
                    event["params"]["entry"]["level"].as_str(),
                    Some("error" | "warning")
                )
            }
            _ => false,
        };
        self.events
            .iter()
            .filter(bad)
            .map(|e| e["params"].to_string())
            .collect()
    }

    /// Every address that the page asked for.
    pub fn requests(&self) -> Vec<String> {
        let asked = self
            .events
            .iter()
            .filter(|e| e["method"] == "Network.requestWillBeSent");
        asked
            .map(|e| e["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked to close, it takes its own processes with it.
        let close = json!({"id": u32::MAX, "method": "Browser.close"});
        let asked = self.to.write_all(format!("{close}\0").as_bytes());
        let began = Instant::now();
        while asked.is_ok() && began.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
