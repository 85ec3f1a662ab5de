//! Where a token comes from, and that nothing shows it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn read(text: &[u8], mode: u32) -> Result<Token, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    fs::write(&path, text).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
    Token::from_file(&path).map_err(|error| error.to_string())
}

#[test]
fn made_up_tokens_are_long_different_and_need_no_escapes() {
    let tokens: BTreeSet<String> =
        (0..1000).map(|_| Token::random().expect("random bits").in_query()).collect();
    assert_eq!(tokens.len(), 1000);
    // 256 bits, 6 a character.
    assert!(tokens.iter().all(|token| token.len() == 43 && !token.contains('%')));
}

#[test]
fn a_token_is_the_first_line_of_a_file() {
    for text in ["0123456789abcdef", "0123456789abcdef\n", " 0123456789abcdef \r\nmore\n"] {
        assert!(read(text.as_bytes(), 0o600).expect("a token").is("0123456789abcdef"));
    }
    let odd = read(b"a+b/c=d?e&f#g%h[i]", 0o400).expect("a token");
    assert_eq!(odd.in_query(), "a%2Bb%2Fc%3Dd%3Fe%26f%23g%25h%5Bi%5D");
    let running = running_with(|options| options.token = odd);
    let asked = running.raw(&format!(
        "GET /a?token={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
        running.token,
        running.port()
    ));
    assert_eq!(asked.status, 200);
    let bearer = "Authorization: Bearer a+b/c=d?e&f#g%h[i]";
    let asked =
        running.raw(&format!("GET /a HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{bearer}\r\n\r\n", running.port()));
    assert_eq!(asked.status, 200);
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601, 0o620] {
        let error = read(b"0123456789abcdef", mode).expect_err("refused");
        assert!(error.contains(&format!("{mode:04o}")) && error.contains("chmod 600"), "{error}");
        assert!(!error.contains("0123456789abcdef"), "{error}");
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    for text in [
        "",
        "\n0123456789abcdef",
        "0123456789abcde",
        "0123456789 abcdef",
        "0123456789abcdef\u{7f}",
        "0123456789abcdefä",
        &"x".repeat(513),
        &"x".repeat(10_000),
    ] {
        let error = read(text.as_bytes(), 0o600).expect_err("refused");
        assert!(error.contains("no token") && error.contains("openssl rand"), "{error}");
        assert!(!error.contains("0123456789") && !error.contains("xxxx"), "{error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let error = |path: &std::path::Path| Token::from_file(path).expect_err("refused").to_string();
    assert!(error(&folder.path().join("none")).contains("cannot read the token from"));
    assert!(error(folder.path()).contains("directory"));
}

#[test]
fn a_token_is_only_itself() {
    let token = read(b"0123456789abcdef", 0o600).expect("a token");
    for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF", "fedcba9876543210"] {
        assert!(!token.is(other), "{other}");
    }
    assert_eq!(format!("{token:?}"), "Token(…)");
    let options = Options::new(token);
    assert!(!format!("{options:?}").contains("0123456789abcdef"));
}
