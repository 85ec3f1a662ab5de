//! A chat model behind a real [`Host`], against a server that takes no schemas.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::http::{HostSettings, Prices};

/// Reads one request: its first line and its body.
fn read(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut first = String::new();
    stream.read_line(&mut first).expect("a request");
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    (first.trim().to_owned(), serde_json::from_slice(&body).expect("JSON"))
}

/// Answers as many requests as there are answers, each on a connection of its own; gives back what it was sent.
fn serve(answers: Vec<(u16, Value)>) -> (String, JoinHandle<Vec<(String, Value)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        let answer = |(status, body): (u16, Value)| {
            let (stream, _) = listener.accept().expect("a connection");
            let mut stream = BufReader::new(stream);
            let got = read(&mut stream);
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close");
            let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.get_mut().write_all(text.as_bytes()).expect("sends");
            got
        };
        answers.into_iter().map(answer).collect()
    });
    (url, served)
}

#[test]
fn a_host_is_asked_by_schema_then_in_text_and_counts_what_it_came_to() {
    let mut good = answered(&json!({"content": "4"}), "stop");
    good["usage"] = json!({"prompt_tokens": 30, "completion_tokens": 8});
    let down =
        json!({"error": {"message": "response_format is not supported", "type": "invalid_request_error"}});
    let (url, served) = serve(vec![(400, down), (200, good.clone()), (200, good)]);
    let prices = Arc::new(Prices::embedded());
    let host = Host::open(HostSettings { prices, ..HostSettings::new("judge", url) }).expect("opens");
    let chat = Chat::new(ChatModel::new("tiny"), host.clone());
    assert_eq!(ask(&chat, &request(), number), Ok(4));
    assert_eq!(ask(&chat, &request(), number), Ok(4));
    let got = served.join().expect("serves");
    assert!(got.iter().all(|(first, _)| first.starts_with("POST /v1/chat/completions HTTP/1.1")));
    let schemas: Vec<bool> = got.iter().map(|(_, body)| body.get("response_format").is_some()).collect();
    assert_eq!(schemas, [true, false, false]);
    let report = host.report();
    assert_eq!((report.answers, report.prompt_tokens, report.completion_tokens), (2, 60, 16));
}
