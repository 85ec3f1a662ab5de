//! A real `transformers serve` as the judge: a Qwen2.5-VL of true structure and drawn weights, made by `make_judge.py`. Passed over where
//! nothing is named to serve with:
//!
//! `THRESHFLOW_TEST_TRANSFORMERS=/path/to/python3 cargo test -p pipelines --test edit_bench serve -- --nocapture`

mod relay;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use benchmarks::{Counting, Table};
use image::{ImageFormat, Rgb, RgbImage};
use pipelines::edit_bench_stages::bench::load;
use serde_json::{Value, json};
use tests::fakes::http::Asked;
use tests::program::{Ended, ended, ended_within, signal, start};
use tests::trees;

use crate::desk::{Desk, text_of};
use relay::{Relay, Served, make, python, told};

const EVERY: usize = 40;
const PASSES: usize = 2;
const FLAGS: &str = "--results @mine --judge-model lines --passes 2";

/// Servers and runs of one test at a time: they wait for each other's answers, not for each other's processors.
static ALONE: Mutex<()> = Mutex::new(());

/// The sizes of pictures, in turn.
const SIZES: [(u32, u32); 8] =
    [(1, 1), (16, 12), (300, 40), (64, 48), (640, 480), (1200, 1000), (1100, 1100), (2000, 2000)];

/// A run by the program.
fn run(desk: &Desk, relay: &Relay, flags: &str) -> Ended {
    ended(&mut desk.program(&desk.command("run", &relay.url(), flags)))
}

fn desk() -> Desk {
    let desk = Desk::of(EVERY);
    let n = Desk::items(EVERY).len();
    for number in 0..n {
        let picture = |seed: usize, (width, height): (u32, u32)| {
            RgbImage::from_fn(width, height, |x, y| {
                Rgb([(x * 3 + seed as u32 * 40) as u8, (y * 5) as u8, seed as u8])
            })
        };
        let key = &Desk::items(EVERY)[number].key;
        fs::create_dir_all(desk.path("mine")).expect("makes");
        let path = desk.path("mine").join(format!("{key}.png"));
        let size = SIZES[number % SIZES.len()];
        picture(number, size).save_with_format(path, ImageFormat::Png).expect("writes");
        let original = desk.path(&format!("items/pictures/{:03}.png", number / 4));
        let size = SIZES[(number / 4 + 3) % SIZES.len()];
        picture(100 + number / 4, size).save_with_format(original, ImageFormat::Png).expect("writes");
    }
    desk
}

/// The pictures of a request: their type and bytes.
fn pictures(asked: &Asked) -> Vec<(String, Vec<u8>)> {
    let body = asked.json();
    let parts = body["messages"][0]["content"].as_array().cloned().unwrap_or_default();
    let urls = parts.iter().filter_map(|part| part["image_url"]["url"].as_str());
    let file = |url: &str| {
        let (kind, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
        Some((kind.to_owned(), base64::engine::general_purpose::STANDARD.decode(data).ok()?))
    };
    urls.map(|url| file(url).expect("a picture")).collect()
}

/// The tokens that Qwen2.5-VL's processor makes of a picture, as its code reads: sides to whole patches, and into the range.
fn tokens_of(width: u32, height: u32) -> u64 {
    let (least, most) = (1_016_064.0, 1_354_752.0);
    let [width, height] = [width, height].map(f64::from);
    let round = |side: f64| ((side / 28.0).round_ties_even() * 28.0).max(28.0);
    let (mut w, mut h) = (round(width), round(height));
    if w * h > most {
        let beta = (width * height / most).sqrt();
        (w, h) =
            ((width / beta / 28.0).floor().max(1.0) * 28.0, (height / beta / 28.0).floor().max(1.0) * 28.0);
    } else if w * h < least {
        let beta = (least / (width * height)).sqrt();
        (w, h) = ((width * beta / 28.0).ceil() * 28.0, (height * beta / 28.0).ceil() * 28.0);
    }
    (w / 28.0 * (h / 28.0)) as u64
}

/// `<|im_start|>user\n`, the pictures' marks, `<|im_end|>\n<|im_start|>assistant\n`: a token a letter, and one a mark.
const OF_THE_TEMPLATE: u64 = 1 + 5 + 4 + 2 + 1 + 10;

/// Of a judge's lines: its three scores.
fn scores(text: &str) -> Vec<f64> {
    text.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse().ok()).collect()
}

fn table_of(desk: &Desk, name: &str) -> Table {
    let run = load(&desk.path("bench/imgedit-basic").join(name)).expect("is read back");
    Table::of(run.benchmark().expect("is known"), &run.judged, Counting::default())
}

#[test]
fn a_judge_served_by_transformers_is_asked_as_it_was_trained_and_counted_as_it_answers() {
    let Some(python) = python() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let desk = desk();
    let items = Desk::items(EVERY);
    let all = PASSES * items.len();
    make(&python, desk.folder(), "lines");
    make(&python, desk.folder(), "noise");
    let [lines, noise] = ["lines", "noise"].map(|says| Served::start(&python, desk.folder(), says));
    let (lines, noise) = (lines.awaited(), noise.awaited());
    let relay = Relay::to(lines.port);

    // Within the range that ImgEdit-Judge was trained at.
    run(&desk, &relay, &format!("{FLAGS} --judge-pixels imgedit-judge")).expect(0, &[]);
    let exchanges = relay.kept();
    assert_eq!(exchanges.len(), all);
    let mut said: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut breaking = 0;
    let (mut fewest, mut most) = (u64::MAX, 0);
    for (asked, status, answer) in &exchanges {
        assert_eq!(*status, 200, "{answer}");
        let body = asked.json();
        let text = text_of(asked);
        let content = json!(["text", "image_url", "image_url"]);
        let kinds: Vec<&Value> =
            body["messages"][0]["content"].as_array().expect("parts").iter().map(|it| &it["type"]).collect();
        assert_eq!(json!(kinds), content);
        let mut keys: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["max_tokens", "messages", "model", "seed"]);
        assert_eq!(
            (&body["messages"][0]["role"], body["messages"].as_array().map(Vec::len)),
            (&json!("user"), Some(1))
        );
        assert_eq!(
            (&body["max_tokens"], body["seed"].as_u64().map(|seed| seed < PASSES as u64)),
            (&json!(2048), Some(true))
        );
        let mut of_pictures = 0;
        for (kind, bytes) in pictures(asked) {
            let picture = image::load_from_memory(&bytes).expect("decodes");
            let pixels = u64::from(picture.width()) * u64::from(picture.height());
            assert!(kind == "image/jpeg" && (1_016_064..=1_354_752).contains(&pixels), "{kind} {pixels}");
            let tokens = tokens_of(picture.width(), picture.height());
            assert!((1296..=1728).contains(&tokens), "{tokens}");
            of_pictures += tokens;
        }
        let (prompt, completion, reason, content) = told(answer);
        assert_eq!(prompt, text.len() as u64 + OF_THE_TEMPLATE + of_pictures);
        (fewest, most) = (fewest.min(of_pictures), most.max(of_pictures));
        let scores = scores(&content);
        assert_eq!((scores.len(), completion, &*reason), (3, 5, "stop"), "{content}");
        breaking += usize::from(scores[1..].iter().any(|score| *score > scores[0]));
        let prompt = text.rsplit("The instruction is: ").next().unwrap_or_default().to_owned();
        said.entry(prompt).or_default().push(scores.iter().sum::<f64>() / 3.0);
    }
    println!("{all} answers, {fewest} to {most} tokens of two pictures");
    let table = table_of(&desk, "mine");
    let row = &table.all.row;
    assert_eq!(
        (row.n, row.scored, row.answers, row.rule_breaking),
        (items.len(), items.len(), all, breaking)
    );
    for item in &items {
        let passes = &said[&item.prompt];
        let mean = passes.iter().sum::<f64>() / passes.len() as f64;
        let counted = table.items.iter().find(|it| it.key == item.key).and_then(|it| it.score);
        assert!((counted.expect("has a score") - mean).abs() < 1e-9, "{}: {passes:?}", item.key);
    }
    assert!(said.values().any(|passes| passes[0] != said[&items[0].prompt][0]), "all are judged alike");

    // The files themselves.
    run(&desk, &relay, &format!("{FLAGS} --judge-pixels as-is")).expect(0, &[]);
    let later = &relay.kept()[all..];
    assert_eq!(later.len(), all);
    for (asked, ..) in later {
        let text = text_of(asked);
        let item = items.iter().find(|item| text.ends_with(&item.prompt)).expect("is an item's");
        let file = fs::read(desk.path("mine").join(format!("{}.png", item.key))).expect("is there");
        let [_, (kind, after)] = &pictures(asked)[..] else { panic!("two pictures") };
        assert!(kind == "image/png" && *after == file, "{}", item.key);
    }
    run(&desk, &relay, &format!("{FLAGS} --judge-pixels as-is")).expect(0, &[]);
    assert_eq!(relay.kept().len(), 2 * all, "all is remembered");

    // One that never comes to an end: no score, and no refusal.
    relay.turn_to(noise.port);
    let flags = format!("{} --max-tokens 24", FLAGS.replace("lines", "noise"));
    run(&desk, &relay, &flags).expect(0, &[]);
    let cut = &relay.kept()[2 * all..];
    assert!(cut.len() == all && cut.iter().all(|(_, _, answer)| told(answer).2 == "length"));
    let table = table_of(&desk, "mine");
    let row = &table.all.row;
    let missing = BTreeMap::from([("answer_cut".to_owned(), all)]);
    assert_eq!((row.scored, row.refused, row.unread, &row.missing_answers), (0, 0, items.len(), &missing));

    // Another model than the one that it is pinned to: told at once, and nothing is lost by it.
    let began = Instant::now();
    let pinned = run(&desk, &relay, &FLAGS.replace("lines", "other")).expect(1, &[]);
    assert!(pinned.stderr.contains("Server is pinned to 'noise'; requested 'other'."), "{}", pinned.stderr);
    assert!(began.elapsed() < Duration::from_secs(30));
    run(&desk, &relay, &flags).expect(0, &[]);
    assert_eq!(relay.good(), 3 * all);
}

#[test]
fn what_transformers_had_answered_before_it_died_or_the_run_ended_is_not_asked_again() {
    let Some(python) = python() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let desk = desk();
    make(&python, desk.folder(), "lines");
    let all = PASSES * Desk::items(EVERY).len();
    let served = Served::start(&python, desk.folder(), "lines").awaited();
    let relay = Relay::to(served.port);
    let command = |out: &str, more: &str| {
        let mut words = desk.command("run", &relay.url(), &format!("{FLAGS} {more}"));
        for (flag, part) in [("--store", format!("{out}-store")), ("--out", out.to_owned())] {
            let at = words.iter().position(|word| word == flag).expect("is said");
            words[at + 1] = desk.path(&part).to_string_lossy().into_owned();
        }
        desk.program(&words)
    };
    ended(&mut command("whole", "")).expect(0, &[]);
    assert_eq!(relay.good(), all);

    // Ctrl-C in the middle.
    let child = start(&mut command("stopped", "--in-flight 2"));
    relay.wait_for(all + all / 3);
    signal(&child, libc::SIGINT);
    let stopped = ended_within(child, 60);
    assert_ne!(stopped.code, Some(0), "{stopped:#?}");
    let before = relay.good();
    assert!(before < 2 * all, "the run was over before it was stopped");
    ended(&mut command("stopped", "")).expect(0, &[]);
    let again = relay.good() - 2 * all;
    println!("stopped after {} of {all} answers; {again} were asked again", before - all);
    assert!(again <= 2, "{again}");
    trees::assert_same(&desk.path("stopped"), &desk.path("whole"), "stopped, and not");

    // The server dies in the middle, and another comes up.
    let begin = relay.good();
    let child = start(&mut command("died", "--in-flight 2 --call-deadline 3"));
    relay.wait_for(begin + all / 3);
    drop(served);
    // Told by the class of the first that failed: nobody is there, or that was so often so that nobody was asked.
    ended_within(child, 120).expect(1, &["check that it runs", "what failed is asked again"]);
    let served = Served::start(&python, desk.folder(), "lines").awaited();
    relay.turn_to(served.port);
    let kept = relay.good() - begin;
    assert!(kept < all, "the run was over before the server died");
    ended(&mut command("died", "")).expect(0, &[]);
    println!("died after {kept} of {all} answers; {} came after that", relay.good() - begin - kept);
    assert_eq!(relay.good() - begin, all, "each once");
    trees::assert_same(&desk.path("died"), &desk.path("whole"), "died, and not");
}

#[test]
fn a_picture_that_transformers_fails_on_is_one_item_less_and_named() {
    let Some(python) = python() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let desk = desk();
    make(&python, desk.folder(), "lines");
    let served = Served::start(&python, desk.folder(), "lines").awaited();
    let relay = Relay::to(served.port);
    let items = Desk::items(EVERY);
    // Beyond 200 to 1, the processor takes no picture: the server answers 500 in plain text.
    let thread = desk.path("mine").join(format!("{}.png", items[0].key));
    RgbImage::new(1000, 4).save(&thread).expect("writes");
    let flags = FLAGS.replace("--passes 2", "--call-deadline 15 --in-flight 2");
    let strict = run(&desk, &relay, &flags).expect(1, &[]);
    assert!(strict.stderr.contains("answered 500: Internal Server Error"), "{}", strict.stderr);
    let good = relay.good();
    assert_eq!(good, items.len() - 1);
    run(&desk, &relay, &format!("{flags} --max-error-rate 1")).expect(0, &[]);
    let table = table_of(&desk, "mine");
    let lacking: Vec<(&str, usize)> =
        table.all.row.lacking.iter().map(|(class, n)| (class.as_str(), *n)).collect();
    // Which of the two depends on whether it was asked ten times before its deadline.
    assert!(matches!(lacking[..], [("server_error" | "circuit_open", 1)]), "{lacking:?}");
    assert_eq!(table.all.row.scored, good);
    assert_eq!(relay.good(), good, "only it was asked again");
}
