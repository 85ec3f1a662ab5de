//! Edits asked of a small server of our own: what it is sent, and what becomes of its answers.

mod server;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb};
use serde_json::{Value, json};

use super::*;
use crate::http::{Host, HostSettings, Spending, Tokens};
use crate::pixels::mask::Mask;
use server::{Answer, Server};

const ESTIMATED: Tokens = Tokens { prompt: 100, completion: 1000 };

fn host_settings(server: &Server) -> HostSettings {
    HostSettings {
        most_retries: 1,
        first_pause: Duration::from_millis(1),
        call_timeout: Duration::from_secs(20),
        most_body_bytes: 1 << 20,
        ..HostSettings::new("editor", server.base_url())
    }
}

fn editor_over(host: HostSettings, settings: HttpEditSettings) -> HttpEdit<EditEndpoint> {
    let endpoint = EditEndpoint::over(Host::open(host).unwrap(), ESTIMATED).unwrap();
    HttpEdit::new(endpoint, settings).unwrap()
}

fn editor(server: &Server) -> HttpEdit<EditEndpoint> {
    editor_over(host_settings(server), HttpEditSettings::new("imgedit-e1"))
}

fn picture() -> RgbImage {
    RgbImage::from_fn(60, 40, |x, y| Rgb([x as u8 * 4, y as u8 * 6, 90]))
}

fn region() -> Mask {
    let mut mask = Mask::empty(60, 40);
    (10..20).for_each(|x| mask.bits[5 * 60 + x] = 1);
    mask
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn edited() -> Vec<u8> {
    encoded(&RgbImage::from_pixel(32, 32, Rgb([9, 80, 200])), ImageFormat::Jpeg)
}

fn b64(bytes: &[u8]) -> Value {
    json!({"created": 1, "data": [{"b64_json": STANDARD.encode(bytes)}]})
}

/// A replacement of a cup.
fn edit(editor: &HttpEdit<EditEndpoint>) -> Result<Made, Refusal> {
    let (picture, region) = (picture(), region());
    editor.edit(&Pass {
        operation: Operation::Replace,
        picture: &picture,
        mask: Some(&region),
        reference: None,
        object: "cup",
        instruction: "Swap the cup for a jug.",
        result: "a jug",
        seed: u64::MAX,
    })
}

#[test]
fn the_form_holds_words_picture_and_mask_and_the_answer_is_kept_as_it_came() {
    let server = Server::start(vec![Answer::json(200, &b64(&edited()))]);
    let mut settings = HttpEditSettings::new("imgedit-e1");
    settings.fields.insert("size".into(), "auto".into());
    settings.seed_field = Some("seed".into());
    let editor = editor_over(host_settings(&server), settings);
    assert_eq!(edit(&editor).unwrap().bytes, edited());
    let request = server.requests().remove(0);
    assert_eq!(request.line, "POST /v1/images/edits HTTP/1.1");
    let text = |name: &str| String::from_utf8(request.part(name)).unwrap();
    assert_eq!((text("model"), text("n"), text("size")), ("imgedit-e1".into(), "1".into(), "auto".into()));
    assert_eq!((text("response_format"), text("seed")), ("b64_json".into(), "2147483647".into()));
    assert!(
        text("prompt").starts_with("Replace the cup in the upper left with a jug, "),
        "{}",
        text("prompt")
    );
    let sent = image::load_from_memory_with_format(&request.part("image"), ImageFormat::Png).unwrap();
    assert_eq!(sent.to_rgb8(), picture());
    let mask =
        image::load_from_memory_with_format(&request.part("mask"), ImageFormat::Png).unwrap().to_rgba8();
    assert_eq!(mask.dimensions(), (60, 40));
    for (x, y, pixel) in mask.enumerate_pixels() {
        assert_eq!(pixel.0[3] == 0, region().holds(x, y), "{x} {y}");
    }
}

#[test]
fn large_pictures_are_sent_smaller_and_a_reference_beside_them() {
    let server = Server::start(vec![Answer::json(200, &b64(&edited())); 2]);
    let mut settings = HttpEditSettings::new("gpt-image-1");
    settings.most_pixels = 4096;
    let editor = editor_over(host_settings(&server), settings);
    let (picture, mask) = (RgbImage::new(400, 100), Mask::empty(400, 100).inverted());
    let mut pass = Pass {
        operation: Operation::Visual,
        picture: &picture,
        mask: Some(&mask),
        reference: Some(&RgbImage::new(10, 30)),
        object: "cup",
        instruction: "",
        result: "",
        seed: 1,
    };
    editor.edit(&pass).unwrap();
    let request = server.requests().remove(0);
    let names: Vec<String> = request.names();
    assert_eq!(
        names,
        ["model", "prompt", "n", "image[]", "image[]", "mask"],
        "and no response_format for gpt-image"
    );
    let sizes: Vec<_> = request
        .parts("image[]")
        .iter()
        .map(|png| image::load_from_memory(png).unwrap().to_rgb8().dimensions())
        .collect();
    assert_eq!(sizes, [(128, 32), (10, 30)]);
    assert_eq!(image::load_from_memory(&request.part("mask")).unwrap().to_rgb8().dimensions(), (128, 32));
    // About more than the object: no mask.
    pass.operation = Operation::Extract;
    editor.edit(&pass).unwrap();
    assert_eq!(server.requests().remove(1).names(), ["model", "prompt", "n", "image"]);
}

#[test]
fn a_url_is_followed_to_the_endpoint_itself_and_nowhere_else() {
    let server = Server::start(vec![]);
    let stranger = Server::start(vec![Answer::bytes(200, "image/jpeg", edited())]);
    let editor = editor(&server);
    let url = |url: String| Answer::json(200, &json!({"data": [{"b64_json": null, "url": url}]}));
    let own = server.base_url().replace("/v1", "/files/1.jpg?sig=abc");
    server.then(vec![url(own), Answer::bytes(200, "image/jpeg", edited())]);
    assert_eq!(edit(&editor).unwrap().bytes, edited());
    assert_eq!(server.requests()[1].line, "GET /files/1.jpg?sig=abc HTTP/1.1");
    server.then(vec![url("/files/2.jpg".into()), Answer::bytes(200, "image/jpeg", edited())]);
    assert_eq!(edit(&editor).unwrap().bytes, edited());
    let data = format!("data:image/jpeg;base64,{}", STANDARD.encode(edited()));
    server.then(vec![url(data)]);
    assert_eq!(edit(&editor).unwrap().bytes, edited());
    server.then(vec![url(stranger.base_url().replace("/v1", "/1.jpg?sig=secret"))]);
    let refusal = edit(&editor).unwrap_err();
    assert_eq!(refusal.class, "url_elsewhere");
    assert!(!refusal.message.contains("secret") && !refusal.is_permanent(), "{refusal}");
    // Nor by a redirect.
    let mut away = Answer::bytes(302, "text/plain", Vec::new());
    away.header = format!("Location: {}\r\n", stranger.base_url());
    server.then(vec![url("/files/3.jpg".into()), away]);
    assert_eq!(edit(&editor).unwrap_err().class, "redirected");
    assert_eq!(stranger.requests().len(), 0);
}

#[test]
fn answers_without_a_sound_picture_are_refused_and_asked_for_again_by_the_next_run() {
    let server = Server::start(vec![]);
    let editor = editor(&server);
    let gif = encoded(&RgbImage::new(3, 3), ImageFormat::Gif);
    let mut huge = encoded(&RgbImage::new(3, 3), ImageFormat::Png);
    // The header says 65,536 x 65,536.
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let whole = encoded(&picture(), ImageFormat::Png);
    for (answer, words) in [
        (json!({"data": [{"b64_json": "%%%"}]}), "broken base64"),
        (b64(b"hello"), "5 bytes that are no picture; PNG, JPEG and WebP"),
        (b64(&gif), "that are a Gif; PNG"),
        (b64(&edited()[..edited().len() - 20]), "a picture that doesn't decode (cut_picture"),
        (b64(&whole[..whole.len() / 2]), "a picture that doesn't decode"),
        (b64(&huge), ""),
        (json!({"data": []}), "0 entries in `data`"),
        (json!({"data": [{"b64_json": ""}]}), "1 entries in `data`, the first without"),
        (json!({"data": "no"}), "no list `data`"),
        (json!([1]), "no list `data`"),
        (json!({"data": [{"url": "data:image/png,abc"}]}), "a data URL that isn't base64"),
    ] {
        server.then(vec![Answer::json(200, &answer)]);
        let refusal = edit(&editor).unwrap_err();
        assert_eq!(refusal.class, "bad_answer", "{refusal}");
        assert!(refusal.message.contains(words), "{refusal}");
        assert!(!refusal.is_permanent());
    }
    // Lines and missing fillers are no fault, nor the head of a data URL.
    let bytes = edited();
    let text = STANDARD.encode(&bytes);
    let wrapped =
        text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\r\n");
    for text in [text.trim_end_matches('=').to_string(), wrapped, format!("data:image/jpeg;base64,{text}")] {
        server.then(vec![Answer::json(200, &json!({"data": [{"b64_json": text}]}))]);
        assert_eq!(edit(&editor).unwrap().bytes, bytes);
    }
}

#[test]
fn what_the_endpoint_says_of_the_question_is_remembered_and_what_ails_it_is_not() {
    let server = Server::start(vec![]);
    let editor = editor(&server);
    let error = |code: &str, message: &str| json!({"error": {"message": message, "type": "x", "code": code, "param": null}});
    let large = Answer::bytes(200, "application/json", vec![b' '; 2 << 20]);
    for (answers, class, is_permanent) in [
        (
            vec![Answer::json(400, &error("moderation_blocked", "Rejected by the safety system."))],
            "content_filter",
            true,
        ),
        (
            vec![Answer::json(200, &json!({"data": [{"url": "", "respect_moderation": false}]}))],
            "content_filter",
            true,
        ),
        (
            vec![Answer::json(400, &error("invalid_image_file", "Invalid image file or mode."))],
            "bad_input",
            true,
        ),
        (
            vec![Answer::json(400, &error("unknown_parameter", "Unknown parameter: 'n'."))],
            "bad_request",
            false,
        ),
        (
            vec![Answer::json(
                422,
                &json!({"detail": [{"loc": ["body", "image"], "msg": "Field required"}]}),
            )],
            "bad_request",
            false,
        ),
        (vec![Answer::json(503, &json!({"message": "loading"})); 2], "server_error", false),
        (vec![Answer::bytes(200, "text/html", b"<html>".to_vec()); 2], "not_json", false),
        (vec![large], "too_large", false),
    ] {
        server.then(answers);
        let refusal = edit(&editor).unwrap_err();
        assert_eq!(refusal.class, class, "{refusal}");
        assert_eq!(refusal.is_permanent(), is_permanent, "{refusal}");
    }
    assert_eq!(server.left(), 0, "every answer was fetched");
}

#[test]
fn what_an_edit_cost_is_told_by_its_answer() {
    let answer = json!({
        "data": [{"url": "/files/1.jpg"}],
        "usage": {"input_tokens": 30, "output_tokens": 40}
    });
    let file = Answer::bytes(200, "image/jpeg", edited());
    let server = Server::start(vec![Answer::json(200, &answer), file]);
    let spending = Spending::new(Some(1), None);
    let editor = editor_over(
        HostSettings { spending: Arc::clone(&spending), ..host_settings(&server) },
        HttpEditSettings::new("imgedit-e1"),
    );
    // The budget is used up by then, and what was paid for comes all the same.
    assert_eq!(edit(&editor).unwrap().bytes, edited());
    let report = editor.endpoint().host().report();
    assert_eq!((report.prompt_tokens, report.completion_tokens), (30, 40));
    let refusal = edit(&editor).unwrap_err();
    assert_eq!(refusal.class, "over_budget");
    assert!(!refusal.is_permanent());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let server = Server::start(vec![]);
    let editor = editor(&server);
    let (picture, small) = (picture(), Mask::empty(3, 3).inverted());
    let pass = |operation, mask, object| Pass {
        operation,
        picture: &picture,
        mask,
        reference: None,
        object,
        instruction: "",
        result: "",
        seed: 0,
    };
    for (pass, class) in [
        (pass(Operation::Action, None, "dog"), "unsupported_operation"),
        (pass(Operation::Visual, None, "dog"), "no_reference"),
        (pass(Operation::Remove, Some(&small), "dog"), "bad_mask"),
        (pass(Operation::Remove, None, ""), "no_words"),
    ] {
        let refusal = editor.edit(&pass).unwrap_err();
        assert_eq!(refusal.class, class);
        assert!(refusal.is_permanent());
    }
    assert!(
        Operation::ALL.into_iter().all(|operation| editor.can(operation) == (operation != Operation::Action))
    );
    assert_eq!((editor.at_once(), editor.description()), (4, "imgedit-e1".to_string()));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn the_stamp_is_of_the_question_and_not_of_the_endpoint() {
    let (here, there) = (Server::start(vec![]), Server::start(vec![]));
    let stamp = |server: &Server, settings: &HttpEditSettings| {
        editor_over(host_settings(server), settings.clone()).stamp()
    };
    let usual = HttpEditSettings::new("imgedit-e1");
    assert_eq!(stamp(&here, &usual), stamp(&there, &usual));
    let changed = |change: &dyn Fn(&mut HttpEditSettings)| {
        let mut settings = usual.clone();
        change(&mut settings);
        stamp(&here, &settings)
    };
    let mut stamps = vec![
        stamp(&here, &usual),
        changed(&|s| s.model = "other".into()),
        changed(&|s| drop(s.fields.insert("size".into(), "512x512".into()))),
        changed(&|s| drop(s.fields.insert("response_format".into(), String::new()))),
        changed(&|s| s.seed_field = Some("seed".into())),
        changed(&|s| s.masks = Masks::NotSent),
        changed(&|s| s.wording = Wording::Instruction),
        changed(&|s| s.most_pixels = 1_000_000),
    ];
    stamps.sort();
    stamps.dedup();
    assert_eq!(stamps.len(), 8);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let server = Server::start(vec![]);
    let refused = |change: &dyn Fn(&mut HttpEditSettings)| {
        let mut settings = HttpEditSettings::new("m");
        change(&mut settings);
        let endpoint = EditEndpoint::over(Host::open(host_settings(&server)).unwrap(), ESTIMATED).unwrap();
        HttpEdit::new(endpoint, settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused(&|s| s.model = " ".into()).contains("no model's name"));
    assert!(
        refused(&|s| drop(s.fields.insert("prompt".into(), "x".into())))
            .contains("`prompt` can't be set: it is the editor's")
    );
    assert!(refused(&|s| drop(s.fields.insert("a\r\nb".into(), "x".into()))).contains("without blanks"));
    assert!(refused(&|s| s.seed_field = Some("mask".into())).contains("`mask`"));
    assert!(refused(&|s| s.most_pixels = 10).contains("at least 4096"));
    assert_eq!(refused(&|_| ()), "");
}
