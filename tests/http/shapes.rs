//! What servers say, and what is made of it. The bodies are those that LiteLLM, transformers' server, OpenAI, Azure and
//! vLLM answer with.

use operators::http::{CallClass, CallError};
use serde_json::json;
use tests::fakes::http::{Action, FakeServer};
use threshflow::row::{Lasts, Refusal};

use super::{ask, open, settings};

/// What comes of an answer that never changes, and how often it was asked for.
fn comes_to(answer: Action) -> (CallError, usize) {
    let server = FakeServer::with_answers([answer]);
    let error = ask(&open(settings(&server))).expect_err("no success");
    (error, server.count())
}

#[track_caller]
fn stays(answer: Action, class: CallClass, words: &str) {
    let (error, asked) = comes_to(answer);
    assert_eq!((error.class, error.retry, asked), (class, false, 1), "{error}");
    assert!(error.message.contains(words), "{error}");
}

#[track_caller]
fn heals(answer: Action, class: CallClass, words: &str) {
    let (error, asked) = comes_to(answer);
    assert_eq!((error.class, error.retry, asked, error.attempts), (class, true, 4, 4), "{error}");
    assert!(error.message.contains(words) && error.message.contains("asked 4 times"), "{error}");
}

/// Was paid for, so it is asked for once more and then given up.
#[track_caller]
fn is_asked_once_more(answer: Action, class: CallClass, words: &str) {
    let (error, asked) = comes_to(answer);
    assert_eq!((error.class, error.retry, asked, error.attempts), (class, true, 2, 2), "{error}");
    assert!(error.message.contains(words) && error.message.contains("asked 2 times"), "{error}");
}

fn error(status: u16, message: &str, kind: &str, code: &str) -> Action {
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    Action::json(status, &json!({ "error": error }))
}

#[test]
fn what_may_heal_is_asked_again() {
    heals(error(429, "a rate limit", "throttling_error", "429"), CallClass::RateLimited, "a rate limit");
    // A bound a minute may speak of money.
    let words = "Rate limit reached. Add a payment method at https://host/account/billing.";
    heals(error(429, words, "requests", "rate_limit_exceeded"), CallClass::RateLimited, words);
    heals(
        error(500, "litellm.InternalServerError", "internal_server_error", "500"),
        CallClass::ServerError,
        "litellm",
    );
    heals(error(408, "Request timed out.", "invalid_request_error", "408"), CallClass::Timeout, "timed out");
    heals(Action::text(500, "Internal Server Error"), CallClass::ServerError, "500: Internal Server Error");
    heals(Action::text(502, ""), CallClass::ServerError, "502 and said nothing");
    heals(Action::json(503, &json!({ "error": "loading" })), CallClass::ServerError, "503: loading");
    heals(Action::text(409, ""), CallClass::Busy, "409");
    heals(Action::text(425, ""), CallClass::Busy, "425");
}

#[test]
fn what_cannot_heal_is_asked_once() {
    stays(
        error(400, "No connected db.", "no_db_connection", "400"),
        CallClass::Unauthorised,
        "No connected db.",
    );
    let absent = "/chat/completions: Invalid model name passed in model=absent. Call `/v1/models` to view available models for your key.";
    stays(error(400, absent, "invalid_request_error", "400"), CallClass::NotFound, "check the base URL");
    let barred = "Project `proj_1` does not have access to model `absent`";
    stays(error(403, barred, "invalid_request_error", "model_not_found"), CallClass::NotFound, barred);
    stays(
        Action::json(400, &json!({ "detail": "Server is pinned to 'a'; requested 'b'." })),
        CallClass::BadRequest,
        "400: Server is pinned",
    );
    let list =
        json!({ "detail": [{ "type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error" }] });
    stays(Action::json(422, &list), CallClass::BadRequest, "422: body.1: JSON decode error");
    stays(Action::json(404, &json!({ "detail": "Not Found" })), CallClass::NotFound, "check the base URL");
    stays(Action::json(405, &json!({ "detail": "Method Not Allowed" })), CallClass::NotFound, "gpt-4o");
    stays(
        error(403, "no such region", "x", "403"),
        CallClass::Unauthorised,
        "no such region; it wants a key",
    );
    stays(
        error(401, "wrong: sk-ab***yz", "x", "invalid_api_key"),
        CallClass::Unauthorised,
        "answered 401; it wants a key",
    );
    stays(
        error(429, "You exceeded your current quota", "insufficient_quota", "x"),
        CallClass::OutOfQuota,
        "topped up",
    );
    stays(Action::text(402, "pay"), CallClass::OutOfQuota, "402: pay");
    stays(Action::text(413, "<html>too large</html>"), CallClass::RequestTooLarge, "413");
    stays(Action::text(501, ""), CallClass::ServerError, "501");
}

#[test]
fn what_is_about_the_question_is_told_from_what_is_not() {
    let context = "litellm.ContextWindowExceededError: this is a mock context window exceeded error";
    stays(error(400, context, "invalid_request_error", "400"), CallClass::ContextTooLong, "ContextWindow");
    let vllm = json!({ "object": "error", "message": "This model's maximum context length is 4096 tokens.",
        "type": "BadRequestError", "param": null, "code": 400 });
    stays(Action::json(400, &vllm), CallClass::ContextTooLong, "4096 tokens");
    let azure = json!({ "error": { "message": "The response was filtered", "type": null, "param": "prompt",
        "code": "content_filter", "innererror": { "code": "ResponsibleAIPolicyViolation" } } });
    stays(Action::json(400, &azure), CallClass::ContentFilter, "filtered");
    stays(
        error(400, "blocked", "image_generation_user_error", "moderation_blocked"),
        CallClass::ContentFilter,
        "blocked",
    );
    stays(
        error(400, "You uploaded an unsupported image.", "x", "image_parse_error"),
        CallClass::BadInput,
        "unsupported",
    );
    stays(
        error(400, "Invalid model name passed in model=b", "x", "400"),
        CallClass::NotFound,
        "Invalid model",
    );
    for class in CallClass::ALL {
        let about =
            [CallClass::BadInput, CallClass::ContextTooLong, CallClass::ContentFilter].contains(&class);
        let error = CallError { class, message: String::new(), status: None, retry: false, attempts: 1 };
        let lasts = match class {
            CallClass::OverBudget => Lasts::Budget,
            _ if about => Lasts::Content,
            _ => Lasts::Process,
        };
        assert_eq!(Refusal::from(error).lasts, lasts, "{class}");
    }
}

#[test]
fn success_is_json_without_an_error() {
    let not_json = CallClass::NotJson;
    is_asked_once_more(
        Action::respond(200, "text/html", "<p>Welcome</p>"),
        not_json,
        "14 bytes of text/html",
    );
    is_asked_once_more(
        Action::respond(200, "application/json", "{\"choices\": [{\"mess"),
        not_json,
        "no JSON",
    );
    is_asked_once_more(Action::text(200, ""), not_json, "0 bytes");
    let stream = "data: {\"choices\": []}\n\ndata: [DONE]\n\n";
    is_asked_once_more(
        Action::respond(200, "text/event-stream", stream),
        not_json,
        "bytes of text/event-stream",
    );
    // A body that breaks off was paid for as well.
    is_asked_once_more(Action::CutBody(b"{\"choices\": [".to_vec()), CallClass::Unreachable, "");
    // What came before a success cost nothing, and does not count.
    let html = || Action::respond(200, "text/html", "<p>Welcome</p>");
    let answers = [Action::text(502, ""), html(), Action::text(502, ""), html()];
    let server = FakeServer::with_answers(answers);
    assert_eq!(ask(&open(settings(&server))).expect_err("no JSON").attempts, 4);
    // Some call an error a success.
    heals(error(200, "overloaded", "x", "502"), CallClass::ServerError, "overloaded");
    stays(
        error(200, "of this account", "x", "401"),
        CallClass::Unauthorised,
        "answered 200: of this account",
    );
    // And some send JSON under another name.
    let server = FakeServer::with_answers([Action::text(200, r#"{"choices": [], "error": null}"#)]);
    let answered = ask(&open(settings(&server))).expect("JSON");
    assert_eq!((answered.status, answered.attempts), (200, 1));
    assert_eq!(answered.body, br#"{"choices": [], "error": null}"#);
    let server = FakeServer::with_answers([Action::text(200, "\u{feff}{}")]);
    assert_eq!(ask(&open(settings(&server))).expect("JSON behind a byte-order mark").body, b"{}");
}

#[test]
fn an_endpoint_without_hope_is_not_asked_for_every_row() {
    let server = FakeServer::with_answers([Action::text(401, "")]);
    let host = open(settings(&server));
    let errors: Vec<CallError> = (0..5).map(|_| ask(&host).expect_err("no key")).collect();
    assert_eq!(server.count(), 1);
    assert!(errors.iter().all(|error| error.message == errors[0].message), "{errors:?}");
    assert_eq!((errors[0].attempts, errors[4].attempts), (1, 0));
    assert_eq!(host.report().given_up["unauthorised"], 5);

    // Another model may be there, and another file too.
    let server = FakeServer::with_answers([Action::text(404, "")]);
    let host = open(settings(&server));
    let other = json!({ "model": "gpt-5" });
    for _ in 0..2 {
        ask(&host).expect_err("not there");
        host.post_json("/chat/completions", &other, Default::default()).expect_err("not there");
        host.get_bytes("/view?name=a.png").expect_err("not there");
    }
    assert_eq!(server.count(), 4);
}

#[test]
fn a_refusal_has_the_class_and_long_words_are_cut() {
    let (error, _) = comes_to(Action::text(400, &"no, ".repeat(1000)));
    assert!(error.message.len() < 500, "{}", error.message.len());
    let refusal = Refusal::from(error.clone());
    assert_eq!((&*refusal.class, &refusal.message), ("bad_request", &error.message));
}
