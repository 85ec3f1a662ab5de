//! Several servers behind one queue, and servers that come and go.

use std::net::TcpListener;

use super::*;

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn one_of_two_is_not_there() {
    let fake = Fake::new(Ending::Picture);
    let editor = editor_with(vec![nobody(), fake.address.clone()], |_| ());
    assert_eq!((editor.at_once(), editor.description().as_str()), (2, "ComfyUI, 1 workflow"));
    for _ in 0..4 {
        assert!(edit(&editor).is_ok());
    }
    assert_eq!(fake.prompts(), 4);
}

#[test]
fn a_server_that_dies_in_the_middle_costs_one_prompt() {
    let (dies, lives) = (Fake::new(Ending::Dies), Fake::new(Ending::Picture));
    let editor = editor(&[&dies, &lives]);
    assert!(edit(&editor).is_ok());
    assert!(edit(&editor).is_ok());
    assert_eq!((dies.prompts(), lives.prompts()), (1, 2));
}

#[test]
fn a_server_that_starts_anew_is_asked_again() {
    let fake = Fake::new(Ending::Forgets);
    assert!(edit(&editor(&[&fake])).is_ok());
    assert_eq!(fake.prompts(), 2);
}

#[test]
fn when_none_is_well_the_pass_is_refused_after_a_while() {
    let fake = Fake::new(Ending::Dies);
    let editor = editor_with(vec![fake.address.clone(), nobody()], |settings| {
        settings.give_up_after = Duration::from_millis(60);
    });
    assert_eq!(verdict(&fake, &editor), ("unreachable".to_owned(), false, 1));
    let refusal = edit(&editor).unwrap_err();
    assert_eq!(refusal.class, "unreachable");
    assert!(refusal.message.contains("the last failure: http://127.0.0.1:"), "{refusal}");
}

#[test]
fn a_pass_that_fells_every_server_ends() {
    // Each time the server forgets the prompt and comes back.
    let fake = Fake::scripted(Ending::Forgets, |_, state| {
        state.ending = Ending::Forgets;
        None
    });
    assert_eq!(verdict(&fake, &editor(&[&fake])), ("unreachable".to_owned(), false, MOST_PROMPTS));
}

/// A server that answers one path badly sends its passes elsewhere, and takes no prompt.
#[track_caller]
fn goes_elsewhere(path: &'static str, reply: fn() -> Reply) {
    let bad = Fake::scripted(Ending::Picture, move |request, _| request.path.starts_with(path).then(reply));
    let good = Fake::new(Ending::Picture);
    assert!(edit(&hasty_editor(&[&bad, &good])).is_ok(), "{path}");
    assert_eq!((bad.prompts(), good.prompts()), (0, 1), "{path}");
}

#[test]
fn servers_that_answer_badly_are_left() {
    for path in ["/prompt", "/upload"] {
        goes_elsewhere(path, || Reply::Cut);
        goes_elsewhere(path, || Reply::Hang);
        goes_elsewhere(path, || Reply::Json(500, json!({"error": "oh"})));
        goes_elsewhere(path, || Reply::Json(404, json!({})));
        goes_elsewhere(path, || Reply::Json(401, json!({"detail": "who are you?"})));
        goes_elsewhere(path, || Reply::Json(302, json!({})));
        goes_elsewhere(path, || text(200, "content-type: text/html", "<html>Log in</html>"));
        goes_elsewhere(path, || text(200, "content-type: application/json", "{\"prompt_id\": "));
        goes_elsewhere(path, || text(200, "content-type: application/json", "[]"));
        goes_elsewhere(path, || text(503, "retry-after: 3600", "busy"));
        goes_elsewhere(path, || text(429, "retry-after: soon", ""));
    }
}

fn text(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Raw { status, headers: headers.to_owned(), body: body.as_bytes().to_vec() }
}

#[test]
fn answers_without_an_end_are_not_read() {
    let fake = Fake::scripted(Ending::Picture, |request, _| {
        request.is("POST", "/upload/image").then(|| text(200, "", &"x".repeat(5000)))
    });
    let editor = editor_with(vec![fake.address.clone()], |settings| settings.most_body_bytes = 1000);
    assert_eq!(verdict(&fake, &editor), ("answer_too_large".to_owned(), false, 0));
}

#[test]
fn a_hiccup_in_the_middle_is_sat_out() {
    // The first looks at a running prompt fail.
    let fake = Fake::scripted(Ending::Picture, |request, state| {
        let look = request.path.starts_with("/history/");
        let count = state.uploads.entry("looks".into()).or_default();
        count.extend(look.then_some(0));
        (look && count.len() < 3).then(|| text(500, "", "oh"))
    });
    let patient = |settings: &mut ComfySettings| settings.lost_after = Duration::from_secs(5);
    assert!(edit(&editor_with(vec![fake.address.clone()], patient)).is_ok());
    assert_eq!(fake.prompts(), 1);
}

#[test]
fn many_passes_over_two_servers() {
    let fakes = [Fake::new(Ending::Picture), Fake::new(Ending::Picture)];
    let editor = editor_with(fakes.iter().map(|fake| fake.address.clone()).collect(), |settings| {
        settings.at_once_each = 2;
    });
    assert_eq!(editor.at_once(), 4);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| (0..2).for_each(|_| assert!(edit(&editor).is_ok())));
        }
    });
    let prompts = fakes.map(|fake| fake.prompts());
    assert!(prompts[0] + prompts[1] == 12 && prompts[0] > 2 && prompts[1] > 2, "{prompts:?}");
}

#[test]
fn a_server_that_speaks_no_tls_is_no_server() {
    let fake = Fake::new(Ending::Picture);
    let editor = editor_with(vec![fake.address.replace("http:", "https:")], |settings| {
        settings.call_timeout = Duration::from_millis(50);
        settings.give_up_after = Duration::from_millis(60);
    });
    assert_eq!(verdict(&fake, &editor), ("unreachable".to_owned(), false, 0));
}
