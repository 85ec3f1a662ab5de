//! Chromium without a window, driven through chromedriver: both are started for a test and ended with it, and what Chromium logs is read
//! from chromedriver, never from the page.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// As Debian, Chrome's own packages and others name it.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const SIZE: (u32, u32) = (1400, 900);
/// What one command to the browser may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser of its own, with a profile of its own.
pub struct Chrome {
    pub runtime: Runtime,
    client: Option<Client>,
    driver: Driver,
    /// Where chromedriver listens, with the id of the session.
    address: String,
    /// Of Chromium.
    process: Option<u32>,
    /// Goes last: when nobody writes there any more.
    profile: tempfile::TempDir,
}

/// A process that is ended.
struct Driver(Child);

impl Driver {
    /// A chromedriver, and the port where it listens. It takes a free port for IPv4 and then the same one for IPv6, and ends where that one is
    /// taken, as it can be by a test beside this one: so it is started again.
    fn start(program: &Path) -> (Self, String) {
        let mut said = Vec::new();
        for _ in 0..5 {
            let mut command = Command::new(program);
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut driver = Driver(command.spawn().expect("chromedriver starts"));
            let mut lines = BufReader::new(driver.0.stdout.take().expect("is piped")).lines();
            // "ChromeDriver was started successfully on port 41233."
            let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
                let port = line
                    .split_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.').to_owned());
                said.push(line);
                port
            });
            if let Some(port) = port {
                // Nobody reads on: a full pipe would stop it.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return (driver, port);
            }
        }
        panic!("chromedriver ended five times without a port; it said:\n{}", said.join("\n"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Chromium and chromedriver, or what is missing.
fn installed() -> Result<(PathBuf, PathBuf), String> {
    let chromium = CHROMIUM.iter().find_map(|name| in_path(name));
    let chromium = chromium.ok_or_else(|| format!("none of {CHROMIUM:?} is in the PATH"))?;
    let driver = in_path("chromedriver").ok_or("chromedriver is not in the PATH")?;
    Ok((chromium, driver))
}

impl Chrome {
    /// Starts a browser. Where there is none, a line on stderr says that the test is passed over; with `THRESHFLOW_REQUIRE_BROWSER=1`,
    /// as in CI, this panics.
    pub fn start() -> Option<Self> {
        match installed() {
            Ok((chromium, driver)) => Some(Chrome::of(&chromium, &driver)),
            Err(why) => {
                let message = format!("a browser: {why}; install Debian's chromium and chromium-driver");
                let required = std::env::var_os("THRESHFLOW_REQUIRE_BROWSER").is_some_and(|it| it == "1");
                assert!(!required, "{message}");
                eprintln!("passed over: {message}");
                None
            }
        }
    }

    fn of(chromium: &Path, driver: &Path) -> Self {
        let (driver, port) = Driver::start(driver);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut arguments = vec![
            "--headless=new".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={},{}", SIZE.0, SIZE.1),
            "--disable-gpu".to_owned(),
            // A small /dev/shm, as containers have, ends it in the middle.
            "--disable-dev-shm-usage".to_owned(),
            // Else a process of its own stays behind.
            "--disable-breakpad".to_owned(),
            "--disable-crash-reporter".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
        ];
        // SAFETY: a plain system call, which cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            arguments.push("--no-sandbox".to_owned());
        }
        let capabilities = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let base = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().expect("an object").clone());
        let client = runtime.block_on(builder.connect(&base)).expect("Chromium starts");
        let session = runtime.block_on(client.session_id()).expect("it answers").expect("a session");
        let process = client.capabilities().and_then(|it| it.get("goog:processID")?.as_u64());
        let chrome = Chrome {
            runtime,
            client: Some(client),
            driver,
            address: format!("{base}/session/{session}"),
            process: process.map(|id| id as u32),
            profile,
        };
        // What the browser itself shows and asks for at its start is no test's concern.
        chrome.wait(chrome.client().goto("about:blank"));
        chrome.complaints();
        chrome.asked_for();
        chrome
    }

    pub fn client(&self) -> &Client {
        self.client.as_ref().expect("is there until it is dropped")
    }

    /// Waits for what a command to the browser gives.
    pub fn wait<T, E: std::fmt::Debug>(&self, command: impl Future<Output = Result<T, E>>) -> T {
        self.try_wait(command).unwrap_or_else(|error| panic!("the browser: {error:?}"))
    }

    pub fn try_wait<T, E>(&self, command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let in_time = async { tokio::time::timeout(PATIENCE, command).await };
        self.runtime.block_on(in_time).unwrap_or_else(|_| panic!("the browser said nothing for {PATIENCE:?}"))
    }

    /// The processes that work for this browser: its driver, and all that were told of its profile.
    pub fn processes(&self) -> Vec<u32> {
        let mut all = with_profile(self.profile.path());
        all.push(self.driver.0.id());
        all
    }

    /// What was logged since the last time: `browser` is the console, `performance` the events of the developer tools.
    fn log(&self, of: &str) -> Vec<Value> {
        let answer = ureq::post(format!("{}/se/log", self.address)).send_json(json!({ "type": of }));
        let mut answer = answer.unwrap_or_else(|error| panic!("the log {of}: {error}"));
        let answer: Value = answer.body_mut().with_config().limit(1 << 30).read_json().expect("JSON");
        answer["value"].as_array().expect("a list of entries").clone()
    }

    /// Errors and warnings of the console since the last time.
    pub fn complaints(&self) -> Vec<String> {
        let all = self.log("browser").into_iter();
        let bad = all.filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The addresses that all tabs asked for since the last time, in order.
    pub fn asked_for(&self) -> Vec<String> {
        let all = self.log("performance").into_iter();
        all.filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let (method, params) = (&event["message"]["method"], &event["message"]["params"]);
            match method.as_str()? {
                "Network.requestWillBeSent" => params["request"]["url"].as_str().map(str::to_owned),
                "Network.webSocketCreated" | "Network.webTransportCreated" => {
                    params["url"].as_str().map(str::to_owned)
                }
                _ => None,
            }
        })
        .collect()
    }
}

/// Processes whose command line names this folder.
pub fn with_profile(profile: &Path) -> Vec<u32> {
    let named = |id: &u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*profile.to_string_lossy())
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(named).collect()
}

impl Drop for Chrome {
    /// Ends Chromium as it wants to be ended; and where it does not end, as nobody can refuse.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let close = async { tokio::time::timeout(Duration::from_secs(5), client.close()).await };
            let _ = self.runtime.block_on(close);
        }
        let begin = Instant::now();
        while let Some(process) = self.process.filter(|id| with_profile(self.profile.path()).contains(id)) {
            if begin.elapsed() > Duration::from_secs(3) {
                // SAFETY: a plain system call; the process was seen to be this browser's a moment ago.
                unsafe { libc::kill(process as libc::pid_t, libc::SIGKILL) };
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
