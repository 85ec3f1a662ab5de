//! Servers that say anything: names, ids and words of any length and kind end in a refusal of some hundred letters, and no panic.

use super::*;
use crate::http::shortened;

/// Longer than any URL that a client takes, and full of what commands terminals.
fn long() -> String {
    HOSTILE.repeat(6_000)
}

const HOSTILE: &str = "a/\u{1b}[31m?x=&\u{202e}%0d#";

/// What comes of a pass on a server with this script; and how many prompts it took.
fn of(
    script: impl Fn(&::tests::fakes::comfy::Request) -> Option<Reply> + Send + Sync + 'static,
) -> (String, usize) {
    let fake = Fake::scripted(Ending::Cached, move |request, _| script(request));
    let editor = editor_with(vec![fake.address.clone()], |settings| {
        settings.give_up_after = Duration::from_millis(30);
    });
    let refusal = edit(&editor).unwrap_err();
    assert!(!refusal.is_permanent() || refusal.class == "execution_failed", "{refusal}");
    assert!(refusal.message.len() < 6_000, "{} bytes: {:.600}", refusal.message.len(), refusal.message);
    assert!(!refusal.message.contains(['\u{1b}', '\u{202e}']), "{:?}", refusal.message);
    // What is shown of the server's own trouble, too.
    for server in editor.servers() {
        let shown = format!("{:?} {} {:?}", server.trouble(), server.line(), server.hopeless());
        assert!(shown.len() < 2_000 && !shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
    (refusal.class.to_string(), fake.prompts())
}

/// The history says this of every prompt.
fn told(entry: Value) -> (String, usize) {
    of(move |request| {
        let id = request.path.strip_prefix("/history/")?;
        Some(Reply::Json(200, json!({id: entry})))
    })
}

#[test]
fn names_of_pictures() {
    let well = || json!({"status_str": "success", "messages": []});
    let names = |filename: Value, subfolder: Value, kind: Value| {
        let picture = json!({"filename": filename, "subfolder": subfolder, "type": kind});
        told(json!({"status": well(), "outputs": {"9": {"images": [picture]}}}))
    };
    let refused = ("bad_output".to_owned(), 1);
    assert_eq!(names(json!(long()), json!(""), json!("output")), refused);
    assert_eq!(names(json!("a.png"), json!(long()), json!("output")), refused);
    assert_eq!(names(json!("a.png"), json!(""), json!(long())), refused);
    assert_eq!(names(json!("a.png"), json!(""), json!("../output")), refused);
    assert_eq!(names(json!(""), json!(""), json!("temp")), refused);
    assert_eq!(names(json!("a\0.png"), json!(""), json!("temp")), refused);
    // Names that other systems have are escaped, and asked for.
    assert_eq!(names(json!("ä &?#%.png"), json!("a\\b c"), json!("temp")).0, "output_lost");
    assert_eq!(names(json!(["a"]), json!(""), json!("output")).0, "no_picture");
    assert_eq!(told(json!({"status": well(), "outputs": {"9": {"images": long()}}})).0, "no_picture");
}

#[test]
fn a_name_is_asked_for_as_it_is() {
    let fake = Fake::scripted(Ending::Cached, |request, state| {
        if let Some(id) = request.path.strip_prefix("/history/") {
            let picture = json!({"filename": "ä &?#%+.png", "subfolder": "a b/c", "type": "temp"});
            return Some(Reply::Json(200, json!({id: {"outputs": {"9": {"images": [picture]}}}})));
        }
        let picture = state.picture.clone();
        let asked = "/view?filename=%C3%A4%20%26%3F%23%25%2B.png&subfolder=a%20b%2Fc&type=temp";
        (request.path == asked).then(|| Reply::Raw {
            status: 200,
            headers: "content-type: image/png".into(),
            body: picture,
        })
    });
    assert_eq!(edit(&editor(&[&fake])).unwrap().bytes, png(48, 32));
}

#[test]
fn ids_and_uploads() {
    let prompt = |id: Value| {
        of(move |request| {
            request.is("POST", "/prompt").then(|| Reply::Json(200, json!({"prompt_id": id, "number": 0})))
        })
    };
    let unreachable = ("unreachable".to_owned(), 0);
    for id in [json!(long()), json!(""), json!("a\nb"), json!(7), json!(null)] {
        assert_eq!(prompt(id.clone()), unreachable, "{:.40}", id.to_string());
    }
    let upload = |name: Value, folder: Value| {
        of(move |request| {
            let answer = json!({"name": name, "subfolder": folder, "type": "input"});
            request.is("POST", "/upload/image").then(|| Reply::Json(200, answer))
        })
    };
    assert_eq!(upload(json!(long()), json!("")), unreachable);
    assert_eq!(upload(json!("a.png"), json!(long())), unreachable);
    // An id with signs of a URL's own is escaped: it is looked for where it lies.
    let fake = Fake::scripted(Ending::Cached, |request, state| {
        if request.is("POST", "/prompt") {
            return Some(Reply::Json(200, json!({"prompt_id": "a/../b?c#d", "number": 0})));
        }
        let picture = json!({"filename": "a.png", "subfolder": "", "type": "temp"});
        let entry = json!({"a/../b?c#d": {"outputs": {"9": {"images": [picture]}}}});
        let found = request.is("GET", "/history/a%2F..%2Fb%3Fc%23d").then(|| Reply::Json(200, entry));
        let body = state.picture.clone();
        let view = || Reply::Raw { status: 200, headers: "content-type: image/png".into(), body };
        found.or_else(|| request.is("GET", "/view").then(view))
    });
    edit(&editor(&[&fake])).unwrap();
}

#[test]
fn words_of_errors() {
    let error = json!({"node_id": long(), "node_type": long(), "exception_type": long(), "exception_message": long()});
    let status = json!({"status_str": "error", "messages": [["execution_error", error]]});
    assert_eq!(told(json!({"status": status, "outputs": {}})).0, "execution_failed");
    let words = HOSTILE.repeat(200);
    let fault = json!({"message": words, "details": words});
    let node = json!({"class_type": words, "errors": vec![fault; 20], "dependent_outputs": ["9"]});
    let nodes: serde_json::Map<String, Value> =
        (0..20).map(|n| (format!("{n}{words}"), node.clone())).collect();
    for body in [
        json!({"error": {"message": long(), "details": long()}, "node_errors": nodes}),
        json!({"error": {"message": long(), "details": long()}}),
        json!({"error": long()}),
        json!({"what": long()}),
    ] {
        let (class, prompts) =
            of(move |request| request.is("POST", "/prompt").then(|| Reply::Json(400, body.clone())));
        assert_eq!((class.as_str(), prompts), ("workflow_rejected", 0));
    }
    for status in [200, 302, 401, 404, 429, 500] {
        for path in ["/prompt", "/upload/image"] {
            let (class, _) = of(move |request| {
                let reply = || Reply::Raw {
                    status,
                    headers: "content-type: text/html".into(),
                    body: long().into_bytes(),
                };
                request.is("POST", path).then(reply)
            });
            assert_eq!(class, "unreachable", "{status} {path}");
        }
    }
}

#[test]
fn what_is_shown_is_short_and_commands_nothing() {
    assert_eq!(shortened(" a\n\t b\r\n"), "a b");
    assert_eq!(shortened("\u{1b}]0;x\u{7}\u{202e}y\u{9b}z"), "\u{fffd}]0;x\u{fffd}\u{fffd}y\u{fffd}z");
    assert_eq!(shortened(&"ä".repeat(1_000)).chars().count(), 301);
    assert_eq!(shortened(&" ".repeat(100_000)), "…");
    assert_eq!(
        Refusal::permanent("strange", "ä".repeat(9_000)).message.chars().count(),
        Refusal::MOST_LETTERS + 1
    );
}

#[test]
fn a_picture_comes_without_the_prompt_that_comfyui_writes_into_it() {
    let fake = Fake::new(Ending::Picture);
    let file = png(48, 32);
    let mut with_words = file[..33].to_vec();
    for (kind, data) in
        [(b"tEXt", &b"prompt\0{\"2\": SECRET}"[..]), (b"zTXt", b"workflow\0\0SECRET"), (b"prVt", b"SECRET")]
    {
        with_words.extend((data.len() as u32).to_be_bytes());
        let chunk = [kind, data].concat();
        with_words.extend(&chunk);
        with_words.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    with_words.extend(&file[33..]);
    fake.state().picture = with_words;
    assert_eq!(edit(&editor(&[&fake])).unwrap().bytes, file);
}
