//! What a run may spend, held to exactly; and what it spent, counted.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use operators::http::{CallClass, CallError, Host, HostSettings, Prices, Spending, Tokens};
use tests::fakes::http::{Action, FakeServer};

use super::{good, open, question, settings};

/// Of gpt-4o at 2.5 and 10 USD a million: 0.0045 USD.
const ESTIMATE: Tokens = Tokens { prompt: 1000, completion: 200 };

/// Sixteen threads ask fifty times each, and report what was used.
fn spend(host: &Host, used: Tokens) -> Vec<CallError> {
    let ask = || {
        let answered = host.post_json("/chat/completions", &question(), ESTIMATE)?;
        host.spent(answered, "gpt-4o", used);
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..50).filter_map(|_| ask().err()).collect::<Vec<CallError>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn as_many_requests_are_sent_as_may_be_and_not_one_more() {
    let server = FakeServer::with_answers([good()]);
    let other = FakeServer::with_answers([good()]);
    let spending = Spending::new(Some(137), None);
    let hosts = [&server, &other].map(|server| {
        open(HostSettings { spending: Arc::clone(&spending), most_in_flight: 16, ..settings(server) })
    });
    let errors: Vec<CallError> = thread::scope(|scope| {
        let threads = hosts.each_ref().map(|host| scope.spawn(|| spend(host, ESTIMATE)));
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!((server.count() + other.count(), spending.calls()), (137, 137));
    assert_eq!(errors.len(), 2 * 800 - 137);
    assert!(errors.iter().all(|error| error.class == CallClass::OverBudget && error.attempts == 0));
    assert!(errors[0].message.contains("137") && errors[0].message.contains("--max-calls"), "{}", errors[0]);
}

#[test]
fn requests_that_are_tried_again_count_as_well() {
    let server = FakeServer::with_answers([Action::text(500, "it broke")]);
    let spending = Spending::new(Some(2), None);
    let host = open(HostSettings { spending, ..settings(&server) });
    let error = host.post_json("/x", &question(), ESTIMATE).expect_err("it goes on failing");
    assert_eq!((error.class, error.attempts, server.count()), (CallClass::OverBudget, 2, 2));
    assert!(error.message.contains("it broke") && !error.retry, "{error}");
}

#[test]
fn money_is_kept_to_where_estimates_are_upper_bounds() {
    let server = FakeServer::with_answers([good()]);
    let spending = Spending::new(None, Some(0.1));
    let host =
        open(HostSettings { spending: Arc::clone(&spending), most_in_flight: 16, ..settings(&server) });
    let errors = spend(&host, Tokens { prompt: 1000, completion: 100 });
    assert!(spending.cost() <= 0.1, "{}", spending.cost());
    // 28 of 0.0035 USD leave no room for one more of 0.0045; 22 are as many as fit if all were under way at their estimates.
    assert!((22..=28).contains(&server.count()), "{}", server.count());
    assert_eq!((spending.cost() / 0.0035).round() as usize, server.count());
    assert_eq!(errors.len(), 800 - server.count());
    assert!(errors[0].message.contains("--max-cost"), "{}", errors[0]);
}

#[test]
fn money_goes_beyond_by_what_requests_under_way_cost_above_their_estimates() {
    let server = FakeServer::with_answers([good()]);
    let spending = Spending::new(None, Some(0.1));
    let host =
        open(HostSettings { spending: Arc::clone(&spending), most_in_flight: 16, ..settings(&server) });
    // Ten times the estimate: 0.045 USD each.
    spend(&host, Tokens { prompt: 10_000, completion: 2000 });
    let most = 0.1 + 16.0 * (0.045 - 0.0045);
    assert!(spending.cost() > 0.1 && spending.cost() <= most, "{} of {most}", spending.cost());
}

#[test]
fn what_nobody_answered_costs_nothing_and_what_was_lost_its_estimate() {
    let server =
        FakeServer::with_answers([Action::text(429, ""), Action::text(500, ""), Action::Hang, good()]);
    let spending = Spending::unlimited();
    let call_timeout = Duration::from_millis(400);
    let host = open(HostSettings { spending: Arc::clone(&spending), call_timeout, ..settings(&server) });
    let answered = host.post_json("/x", &question(), ESTIMATE).expect("the fourth time");
    assert_eq!(spending.cost(), 0.0045, "the one that hung may have been worked on");
    drop(answered);
    assert_eq!(spending.cost(), 0.009, "an answer of which nothing is said is taken for its estimate");
    assert_eq!(spending.calls(), 4);
}

#[test]
fn counters_add_up() {
    let server = FakeServer::with_answers([Action::After(Duration::from_millis(30), Box::new(good()))]);
    let host = open(settings(&server));
    for (model, used) in [("gpt-4o", ESTIMATE), ("openai/gpt-4o-2024-08-06", ESTIMATE), ("my-vlm", ESTIMATE)]
    {
        let answered = host.post_json("/x", &question(), ESTIMATE).expect("an answer");
        host.spent(answered, model, used);
    }
    let report = host.report();
    assert_eq!((report.name.as_str(), report.requests, report.answers), ("judge", 3, 3));
    assert_eq!((report.prompt_tokens, report.completion_tokens), (3000, 600));
    assert!((report.cost - 0.009).abs() < 1e-9, "{}", report.cost);
    assert_eq!(report.models_without_price, ["my-vlm".to_owned()].into());
    let latency = report.latency_ms;
    assert!(30 <= latency.p50 && latency.p50 <= latency.p90 && latency.p90 <= latency.p99, "{latency:?}");
    assert!(latency.p99 < 10_000, "{latency:?}");
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["latency_ms"]["p50"], latency.p50);
}

#[test]
fn prices_are_the_users_before_ours() {
    let folder = tests::scratch();
    let path = folder.path().join("prices.json");
    std::fs::write(
        &path,
        r#"{"gpt-4o": {"prompt": 1, "completion": 2}, "mine": {"prompt": 0, "completion": 3}}"#,
    )
    .expect("writes");
    let prices = Prices::read(&path).expect("prices");
    let million = Tokens { prompt: 1_000_000, completion: 1_000_000 };
    assert_eq!(prices.cost("gpt-4o", million), Some(3.0));
    assert_eq!(prices.cost("mine", million), Some(3.0));
    assert_eq!(prices.cost("gpt-4o-mini", million), Prices::embedded().cost("gpt-4o-mini", million));
    assert_eq!(prices.cost("gpt-4o-mini", million), Some(0.75));
    assert_eq!((prices.cost("gpt-4o-realtime", million), prices.cost("", million)), (None, None));
    for (text, word) in
        [("[]", "expected"), (r#"{"a": {"prompt": -1, "completion": 0}}"#, "\"a\""), ("{", "EOF")]
    {
        std::fs::write(&path, text).expect("writes");
        let error = Prices::read(&path).expect_err("no prices").to_string();
        assert!(error.contains(word) && error.contains("prices.json"), "{error}");
    }
}
