//! A real LiteLLM proxy, whose models say what they are told to: passed over where `litellm` (`pip install 'litellm[proxy]'`) isn't on the
//! PATH.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::fakes::models::Models;
use tests::program::{Ended, ended_within, start};

use crate::desk::Desk;

const KEY: &str = "sk-canary-1234";

/// For the proxy, which imports much; and for a whole run.
const LONG: u64 = 300;

const CONFIG: &str = r#"
model_list:
  - model_name: writer
    litellm_params: {model: openai/mock, api_key: none, mock_response: "A red car stands on a street beside a green tree."}
  - model_name: judge
    litellm_params: {model: openai/mock, api_key: none, mock_response: '{"reason": "as asked for", "follows": 5, "natural": 5, "match": true}'}
  - model_name: broken
    litellm_params: {model: openai/mock, api_key: none, mock_response: "litellm.InternalServerError"}
  - model_name: limited
    litellm_params: {model: openai/mock, api_key: none, mock_response: "litellm.RateLimitError"}
  - model_name: short
    litellm_params: {model: openai/mock, api_key: none, mock_response: "litellm.ContextWindowExceededError"}
router_settings:
  num_retries: 0
litellm_settings:
  num_retries: 0
general_settings:
  master_key: sk-canary-1234
"#;

struct Proxy {
    child: Child,
    url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// `None` where there is no LiteLLM.
    fn start(desk: &Desk) -> Option<Self> {
        let config = desk.path("litellm.yaml");
        std::fs::write(&config, CONFIG).expect("writes");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let mut command = Command::new("litellm");
        command.arg("--config").arg(&config).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        // No look-ups on the web.
        command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let proxy = Proxy { child, url: format!("http://127.0.0.1:{port}") };
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(LONG), "the proxy doesn't start");
            #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(proxy)
    }

    fn run(&self, desk: &Desk, key: &str, flags: &str) -> (Ended, Duration) {
        let flags = format!(
            "--edits=remove,replace --chat-url={}/v1 --call-deadline=8 --max-error-rate=0.35 {flags}",
            self.url
        );
        // Whoever edits is another.
        let editor = Models::start();
        let mut program = desk.program(&editor, &flags);
        let begin = Instant::now();
        let ended = ended_within(start(program.env("OPENAI_API_KEY", key)), LONG);
        (ended, begin.elapsed())
    }
}

#[test]
fn litellm_is_understood_and_so_are_its_errors() {
    let desk = Desk::of(10, 8);
    let Some(proxy) = Proxy::start(&desk) else {
        eprintln!("passed over: no litellm on the PATH; pip install 'litellm[proxy]'");
        return;
    };
    let (ended, _) = proxy.run(&desk, KEY, "--caption-model=writer --judge-model=judge");
    ended.expect(0, &[]);
    for (flags, key, words) in [
        (
            "--caption-model=writer --judge-model=absent",
            KEY,
            ["Invalid model name", "it serves writer, judge"],
        ),
        (
            "--caption-model=other --judge-model=judge",
            "sk-wrong-5678",
            ["it takes no request with", "check that it is valid"],
        ),
        (
            "--caption-model=writer --judge-model=broken",
            KEY,
            ["failed at judge", "mock internal server error"],
        ),
        ("--caption-model=writer --judge-model=limited", KEY, ["failed at judge", "mock rate limit error"]),
        ("--caption-model=writer --judge-model=short", KEY, ["failed at judge", "context"]),
    ] {
        let (ended, took) = proxy.run(&desk, key, flags);
        println!("{flags}: {:.1} s\n{}", took.as_secs_f64(), ended.stderr);
        let ended = ended.expect(1, &words);
        assert!(!ended.stderr.contains(key) && !ended.stdout.contains(key), "{ended:?}");
    }
}
