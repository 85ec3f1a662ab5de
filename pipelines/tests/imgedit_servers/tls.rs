//! Servers behind TLS whose certificate nobody signed: asked where `SSL_CERT_FILE` names it, and else left at once, with what to do.

use tests::fakes::comfy::{Ending, Fake};
use tests::fakes::models::Models;
use tests::fakes::tls::Tls;
use tests::program::{ended_within, start};

use crate::comfyui::workflows;
use crate::desk::Desk;

/// For a whole run.
const LONG: u64 = 240;

#[test]
fn who_is_named_is_trusted_by_http_and_websocket_and_who_is_not_is_left_at_once() {
    let (desk, models, comfy) = (Desk::of(10, 8), Models::start(), Fake::new(Ending::Picture));
    let (chat, comfyui) = (Tls::before(&models.server().url()), Tls::before(&comfy.address));
    let workflows = workflows(&desk);
    let flags = |comfyui: &str, chat: &str| {
        format!("--edits=remove --comfyui={comfyui} --workflows={} --chat-url={chat}/v1", workflows.display())
    };
    let nobody = desk.path("nobody.pem");
    std::fs::write(&nobody, Tls::before(&comfy.address).certificate()).expect("writes");
    for (comfyui_url, chat_url, asked) in
        [(comfyui.url(), models.server().url(), &comfyui), (comfy.address.clone(), chat.url(), &chat)]
    {
        for pem in [None, Some(&nobody)] {
            let mut program = desk.program(&models, &flags(&comfyui_url, &chat_url));
            program.env_remove("SSL_CERT_FILE").envs(pem.map(|pem| ("SSL_CERT_FILE", pem)));
            let before = asked.connections();
            let ended =
                ended_within(start(&mut program), LONG).expect(1, &["in SSL_CERT_FILE if you trust it"]);
            assert_eq!(asked.connections() - before, 1, "it was tried again: {ended:?}");
            assert!(comfyui_url == comfy.address || comfy.calls().is_empty(), "{:?}", comfy.calls());
        }
    }
    // A file that is none is an error before anything is asked.
    let mut program = desk.program(&models, &flags(&comfyui.url(), &models.server().url()));
    program.env("SSL_CERT_FILE", desk.path("workflows/inpaint.json"));
    ended_within(start(&mut program), LONG)
        .expect(1, &["SSL_CERT_FILE names", "there is no certificate in it"]);

    let both = desk.path("both.pem");
    std::fs::write(&both, format!("{}{}", chat.certificate(), comfyui.certificate())).expect("writes");
    let mut program = desk.program(&models, &flags(&comfyui.url(), &chat.url()));
    ended_within(start(program.env("SSL_CERT_FILE", &both)), LONG).expect(0, &[]);
    assert!(
        comfy.prompts() > 2 && comfy.calls().iter().any(|call| call == "websocket"),
        "{:?}",
        comfy.calls()
    );
}
