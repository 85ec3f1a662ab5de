//! The HTTP lane's client against a server that answers as it is told to: every shape of error, every way to answer badly,
//! and every bound as a number.

mod bounds;
mod budget;
mod faults;
mod proxy;
mod secrets;
mod shapes;

use std::sync::Arc;
use std::time::Duration;

use operators::http::{Answered, Breaker, CallError, Host, HostSettings, Tokens};
use serde_json::{Value, json};
use tests::fakes::http::{Action, FakeServer};

/// Quick to give up, and without a breaker.
fn settings(server: &FakeServer) -> HostSettings {
    HostSettings {
        call_timeout: Duration::from_secs(5),
        deadline: Duration::from_secs(20),
        most_retries: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        most_body_bytes: 1 << 16,
        breaker: Breaker { failures: u32::MAX, pause: Duration::from_millis(1) },
        ..HostSettings::new("judge", format!("{}/v1", server.url()))
    }
}

fn open(settings: HostSettings) -> Arc<Host> {
    Host::open(settings).expect("settings that hold")
}

fn question() -> Value {
    json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "How many?" }] })
}

fn ask(host: &Host) -> Result<Answered, CallError> {
    host.post_json("/chat/completions", &question(), Tokens::default())
}

fn good() -> Action {
    Action::json(200, &json!({ "choices": [{ "message": { "content": "7" } }] }))
}
