//! Answers as transformers, vLLM and SGLang write them, whole bodies: each is counted for what it is, what says nothing of the item is
//! asked again, and nothing else is.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use benchmarks::{Counting, Table};
use pipelines::edit_bench_stages::bench::load;
use serde_json::{Value, json};
use tests::fakes::http::{Action, FakeServer};
use tests::program::ended;

use crate::desk::{Desk, Judge, asked, lines, said, text_of};

const EVERY: usize = 20;
const FLAGS: &str = "--results @mine --call-deadline 4";

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Scored([u64; 3]),
    /// There is an answer, and no score in it.
    Unread,
    /// There is none, though nobody refused.
    Missing(&'static str),
    Refused(&'static str),
    /// It says something of the server, and is asked again by the next run.
    Failed(&'static str),
}

/// A recorded answer: who gave it, what it was, and what it comes to.
struct Recorded {
    name: &'static str,
    answer: Action,
    fate: Fate,
}

fn body(name: &'static str, body: Value, fate: Fate) -> Recorded {
    Recorded { name, answer: Action::json(200, &body), fate }
}

fn error(name: &'static str, status: u16, body: Value, class: &'static str) -> Recorded {
    Recorded { name, answer: Action::json(status, &body), fate: Fate::Failed(class) }
}

/// As transformers 5.23 writes it: `exclude_none`, no fingerprint.
fn of_transformers(name: &'static str, reason: &str, content: &str, completion: u64, fate: Fate) -> Recorded {
    let answer = json!({
        "id": "53c5edb0-58bb-4bb1-9ab6-6bc6e67a2cd8", "object": "chat.completion", "created": 1_795_983_907, "model": "lines@main",
        "choices": [{ "index": 0, "finish_reason": reason, "message": { "role": "assistant", "content": content } }],
        "usage": { "completion_tokens": completion, "prompt_tokens": 3130, "total_tokens": 3130 + completion },
    });
    body(name, answer, fate)
}

/// As vLLM writes it: every field, most of them null.
fn of_vllm(name: &'static str, choice: Value, completion: u64, fate: Fate) -> Recorded {
    let mut message = json!({
        "role": "assistant", "content": null, "refusal": null, "annotations": null, "audio": null, "function_call": null,
        "tool_calls": [], "reasoning": null, "reasoning_content": null,
    });
    let mut whole = json!({ "index": 0, "logprobs": null, "finish_reason": "stop", "stop_reason": null, "token_ids": null });
    for (key, value) in choice.as_object().expect("an object") {
        match message.get(key) {
            Some(_) => message[key] = value.clone(),
            None => whole[key] = value.clone(),
        }
    }
    whole["message"] = message;
    let answer = json!({
        "id": "chatcmpl-9f1d", "object": "chat.completion", "created": 1_795_983_907, "model": "critic", "choices": [whole],
        "service_tier": null, "system_fingerprint": null,
        "usage": {
            "prompt_tokens": 3130, "total_tokens": 3130 + completion, "completion_tokens": completion, "prompt_tokens_details": null,
        },
        "prompt_logprobs": null, "prompt_token_ids": null, "kv_transfer_params": null,
    });
    body(name, answer, fate)
}

/// As SGLang writes it.
fn of_sglang(name: &'static str, reason: &str, matched: Value, content: &str, fate: Fate) -> Recorded {
    let message =
        json!({ "role": "assistant", "content": content, "reasoning_content": null, "tool_calls": null });
    let choice = json!({
        "index": 0, "message": message, "logprobs": null, "finish_reason": reason, "matched_stop": matched,
    });
    let completion = if reason == "length" { 2048 } else { 61 };
    let answer = json!({
        "id": "7f6fd07d", "object": "chat.completion", "created": 1_795_983_907, "model": "critic", "choices": [choice],
        "usage": {
            "prompt_tokens": 3130, "total_tokens": 3130 + completion, "completion_tokens": completion, "prompt_tokens_details": null,
            "reasoning_tokens": 0,
        },
        "metadata": { "weight_version": "default" },
    });
    body(name, answer, fate)
}

/// In the judge's lines, without the blank at the end that templates take away.
fn well(scores: [u64; 3]) -> String {
    lines(scores)
}

fn answers() -> Vec<Recorded> {
    use Fate::{Failed, Missing, Refused, Scored, Unread};
    let too_long = "This model's maximum context length is 4096 tokens. However, you requested 5621 tokens (3573 in the messages, 2048 \
                    in the completion). Please reduce the length of the messages or completion.";
    let thought = "First the compliance. Prompt Compliance: 1? No, the tree is there. ".repeat(40);
    let in_json = "```json\n{\"Prompt Compliance\": 4, \"Visual Naturalness\": 3, \"Physical & Detail Integrity\": 2}\n```";
    let in_bold = "**Brief reasoning:** Well done.\n\n**Prompt Compliance:** 5\n**Visual Naturalness:** 4\n**Physical & Detail Integrity:** 4<|im_end|>";
    let fields = |detail: &str| json!({ "detail": detail });
    vec![
        of_transformers("lines", "stop", &well([3, 3, 1]), 5, Scored([3, 3, 1])),
        of_transformers("a letter, then the end", "length", "\u{10}", 2048, Missing("answer_cut")),
        of_transformers("lines, and on and on", "length", &well([5, 5, 5]), 2048, Missing("answer_cut")),
        of_transformers("nothing but control tokens", "length", "", 2048, Missing("answer_cut")),
        of_transformers("nothing", "stop", "", 1, Failed("empty_answer")),
        of_transformers("other words", "stop", "It\u{fffd}s \u{16}G a tree.", 18, Unread),
        error("pinned", 400, fields("Server is pinned to 'lines'; requested 'critic'."), "bad_request"),
        error("unknown field", 422, fields("Unexpected fields in the request: {'foo'}"), "bad_request"),
        of_vllm("lines", json!({ "content": well([4, 2, 2]) }), 61, Scored([4, 2, 2])),
        of_vllm(
            "stopped by a token",
            json!({ "content": in_bold, "stop_reason": 151_645 }),
            61,
            Scored([5, 4, 4]),
        ),
        of_vllm(
            "thinking beside",
            json!({ "content": well([2, 2, 1]), "reasoning_content": thought }),
            900,
            Scored([2, 2, 1]),
        ),
        of_vllm(
            "thinking before",
            json!({ "content": format!("<think>\n{thought}\n</think>\n\n{}", well([4, 4, 4])) }),
            900,
            Scored([4, 4, 4]),
        ),
        of_vllm(
            "cut while it thinks",
            json!({ "reasoning": thought, "finish_reason": "length" }),
            2048,
            Missing("answer_cut"),
        ),
        of_vllm("thinks and says nothing", json!({ "reasoning": thought }), 900, Failed("only_thought")),
        of_vllm(
            "cut by the context",
            json!({ "content": "Brief reasoning: the", "finish_reason": "length" }),
            700,
            Failed("cut_early"),
        ),
        of_vllm(
            "aborted",
            json!({ "content": well([5, 5, 5]), "finish_reason": "abort" }),
            61,
            Failed("cut_early"),
        ),
        of_vllm("one score", json!({ "content": "Prompt Compliance: 4" }), 8, Unread),
        error(
            "too long for vLLM",
            400,
            json!({ "error": { "message": too_long, "type": "BadRequestError", "param": null, "code": 400 } }),
            "context_too_long",
        ),
        error(
            "too long for vLLM before 0.10",
            400,
            json!({ "object": "error", "message": too_long, "type": "BadRequestError", "param": null, "code": 400 }),
            "context_too_long",
        ),
        of_sglang("lines", "stop", json!(151_645), &well([5, 1, 1]), Scored([5, 1, 1])),
        of_sglang("JSON in a fence", "stop", json!(151_645), in_json, Scored([4, 3, 2])),
        of_sglang("cut", "length", Value::Null, "Brief reasoning: the tree", Missing("answer_cut")),
        of_sglang("aborted", "abort", Value::Null, "Brief", Failed("cut_early")),
        of_sglang(
            "declines",
            "stop",
            json!(151_645),
            "I'm sorry, but I can't assist with that.",
            Refused("model_declined"),
        ),
        error(
            "too long for SGLang",
            400,
            json!({
                "object": "error", "message": "The input (3573 tokens) is longer than the model's context length (2048 tokens).",
                "type": "BadRequestError", "param": null, "code": 400,
            }),
            "context_too_long",
        ),
        body(
            "filtered on the way",
            json!({ "choices": [{ "index": 0, "finish_reason": "content_filter", "message": { "content": "" } }] }),
            Refused("content_filter"),
        ),
        body(
            "no choices",
            json!({ "id": "x", "object": "chat.completion", "choices": [] }),
            Failed("bad_response"),
        ),
    ]
}

#[test]
fn answers_of_every_server_are_counted_for_what_they_are() {
    let desk = Desk::of(EVERY);
    let items = Desk::items(EVERY);
    desk.write_results("mine", EVERY, |number| 6000 + number as u32);
    let recorded = answers();
    assert!(recorded.len() <= items.len(), "{} answers, {} items", recorded.len(), items.len());
    let fates: Vec<Fate> = (0..items.len())
        .map(|place| recorded.get(place).map_or(Fate::Scored([3, 2, 2]), |it| it.fate))
        .collect();
    let names: Vec<&str> = recorded.iter().map(|it| it.name).collect();
    let by_prompt: HashMap<String, Action> =
        items.iter().zip(recorded).map(|(item, recorded)| (item.prompt.clone(), recorded.answer)).collect();
    let is_mended = Arc::new(AtomicBool::new(false));
    let times: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let (mended, counted) = (is_mended.clone(), times.clone());
    let judge = Judge::from(FakeServer::start(move |asked| {
        let text = text_of(asked);
        let prompt = text.rsplit("The instruction is: ").next().unwrap_or_default();
        *counted.lock().expect("no one panicked").entry(prompt.to_owned()).or_default() += 1;
        let recorded = by_prompt.get(prompt).filter(|_| !mended.load(SeqCst));
        recorded.cloned().unwrap_or_else(|| said(&lines([3, 2, 2])))
    }));

    // What failed is too much for a run that is told nothing.
    let strict = ended(&mut desk.program(&desk.command("run", &judge.url(), FLAGS)));
    assert_eq!(strict.code, Some(1), "{strict:#?}");
    assert!(strict.stderr.contains("--max-error-rate"), "{}", strict.stderr);
    let failed = fates.iter().filter(|fate| matches!(fate, Fate::Failed(_))).count();
    let asked_first = times.lock().expect("no one panicked").clone();
    assert!(asked_first.values().all(|times| *times == 1), "{asked_first:?}");
    assert_eq!(asked_first.len(), items.len());

    // Published with what failed: each is named by its class, and asked once more.
    let report = desk.run(&judge, &format!("{FLAGS} --max-error-rate 1"));
    assert_eq!(asked(&report), BTreeMap::from([("judge_pass_1".to_owned(), failed as u64)]));
    let table = table_of(&desk);
    check(&table, &fates, &names, items.iter().map(|item| item.key.as_str()));

    // The servers are mended: what failed is asked again, and nothing else.
    is_mended.store(true, SeqCst);
    let report = desk.run(&judge, FLAGS);
    assert_eq!(asked(&report), BTreeMap::from([("judge_pass_1".to_owned(), failed as u64)]));
    let healed = fates.iter().map(|fate| match fate {
        Fate::Failed(_) => Fate::Scored([3, 2, 2]),
        other => *other,
    });
    let healed: Vec<Fate> = healed.collect();
    check(&table_of(&desk), &healed, &names, items.iter().map(|item| item.key.as_str()));
    assert!(asked(&desk.run(&judge, FLAGS)).is_empty());
}

fn table_of(desk: &Desk) -> Table {
    let run = load(&desk.path("bench/imgedit-basic/mine")).expect("is read back");
    Table::of(run.benchmark().expect("is known"), &run.judged, Counting::default())
}

/// Holds a table against what was answered, item by item and in all counts.
fn check<'a>(table: &Table, fates: &[Fate], names: &[&str], keys: impl Iterator<Item = &'a str>) {
    let (mut refusals, mut missing, mut lacking) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let count = |of: &mut BTreeMap<String, usize>, class: &str| *of.entry(class.to_owned()).or_default() += 1;
    let (mut means, mut unread) = (Vec::new(), 0);
    for ((place, fate), key) in fates.iter().enumerate().zip(keys) {
        let name = names.get(place).unwrap_or(&"lines");
        let item = table.items.iter().find(|item| item.key == key).expect("is in the table");
        let mean = |scores: &[u64; 3]| scores.iter().sum::<u64>() as f64 / 3.0;
        match fate {
            Fate::Scored(scores) => {
                let score = item.score.unwrap_or(f64::NAN);
                assert!((score - mean(scores)).abs() < 1e-9, "{name}: {item:?}");
                means.push(score);
            }
            Fate::Unread => unread += 1,
            Fate::Missing(class) => {
                unread += 1;
                count(&mut missing, class);
            }
            Fate::Refused(class) => count(&mut refusals, class),
            Fate::Failed(class) => count(&mut lacking, class),
        }
        assert_eq!(item.score.is_some(), matches!(fate, Fate::Scored(_)), "{name}: {item:?}");
    }
    let row = &table.all.row;
    let refused: usize = refusals.values().sum();
    assert_eq!((row.n, row.scored, row.refused, row.unread), (fates.len(), means.len(), refused, unread));
    assert_eq!(
        (&row.refusals, &row.missing_answers, &row.lacking, row.unread_answers),
        (&refusals, &missing, &lacking, unread)
    );
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!((table.all.by_items.expect("some are scored").value - mean).abs() < 1e-9);
}

#[test]
fn a_table_of_answers_that_were_cut_says_what_to_do() {
    let (desk, judge) = (Desk::of(EVERY), Judge::of(|_, _| cut()));
    desk.write_results("mine", EVERY, |number| 6000 + number as u32);
    let n = Desk::items(EVERY).len();
    let shown = ended(&mut desk.program(&desk.command("run", &judge.url(), &format!("{FLAGS} --passes 2"))));
    let shown = shown.expect(0, &[]).stdout;
    for words in [
        format!("{0} of {0} answers were cut", 2 * n),
        "--max-tokens".to_owned(),
        "| without a score: the judge refused | 0 |".to_owned(),
        format!("| without a score: answers unread | {n} |"),
        "| passes | 2 |".to_owned(),
    ] {
        assert!(shown.contains(&words), "{words}\n{shown}");
    }
}

fn cut() -> Action {
    of_transformers("cut", "length", "Brief reasoning: the tree", 2048, Fate::Missing("answer_cut")).answer
}
