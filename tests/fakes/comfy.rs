//! A ComfyUI of our own, after conversations that were recorded with version 0.3.64: HTTP and websocket on one port, a queue
//! and a history, and scripts that make it go wrong.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use serde_json::{Value, json};
use tungstenite::handshake::server::{Request as WsRequest, Response as WsResponse};
use tungstenite::{Message, accept_hdr};

/// A call, as it came.
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }
}

/// What goes back.
pub enum Reply {
    Json(u16, Value),
    Raw {
        status: u16,
        headers: String,
        body: Vec<u8>,
    },
    /// The connection ends without a word.
    Cut,
    /// Nothing comes for as long as the client stays.
    Hang,
    /// The same, after a while.
    After(Duration, Box<Reply>),
}

/// How prompts end.
#[derive(Clone)]
pub enum Ending {
    /// Well, soon after, told over the websocket.
    Picture,
    /// Well, and before the prompt is answered.
    Cached,
    /// Well, but with nothing in the outputs.
    NoPicture,
    /// An `execution_error` with this type and message.
    Error(&'static str, &'static str),
    Interrupted,
    /// It runs for ever.
    Never,
    /// It waits for ever.
    Waits,
    /// The server goes away in the middle.
    Dies,
    /// The websocket goes away in the middle; the run ends well.
    SocketDies,
    /// The server starts anew in the middle, and ends the next prompt well.
    Forgets,
}

/// No test waits longer.
const LONGEST_HANG: Duration = Duration::from_secs(60);

type Script = Box<dyn Fn(&Request, &mut State) -> Option<Reply> + Send + Sync>;

pub struct State {
    pub ending: Ending,
    /// Calls in their order, websockets among them; looks at queue and history aside.
    pub calls: Vec<String>,
    /// The graphs of the prompts that were put into the queue.
    pub prompts: Vec<Value>,
    /// Names and files.
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// Prompts are taken, and this is what comes back.
    pub instead_of_the_id: Option<fn() -> Reply>,
    /// What `/view` gives.
    pub picture: Vec<u8>,
    /// Node types, as a path holds them, that this server does not know.
    pub missing: Vec<String>,
    dead: bool,
    running: Vec<Value>,
    pending: Vec<Value>,
    history: serde_json::Map<String, Value>,
    sockets: BTreeMap<String, Sender<Option<Value>>>,
}

impl State {
    /// What the history has, by the prompt's id.
    pub fn history(&self) -> &serde_json::Map<String, Value> {
        &self.history
    }
}

/// A drawn picture as a file.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8 * 5, y as u8 * 7, 90]));
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .expect("a picture is encoded");
    bytes
}

/// A server on a port of its own; its threads end with the tests.
pub struct Fake {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn new(ending: Ending) -> Self {
        Fake::scripted(ending, |_, _| None)
    }

    /// Asks the script first; where it has no reply, the server does as ComfyUI does.
    pub fn scripted(
        ending: Ending,
        script: impl Fn(&Request, &mut State) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            ending,
            calls: Vec::new(),
            prompts: Vec::new(),
            uploads: BTreeMap::new(),
            instead_of_the_id: None,
            picture: png(48, 32),
            missing: Vec::new(),
            dead: false,
            running: Vec::new(),
            pending: Vec::new(),
            history: serde_json::Map::new(),
            sockets: BTreeMap::new(),
        }));
        let (shared, script): (_, Arc<Script>) = (state.clone(), Arc::new(Box::new(script)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, script) = (shared.clone(), script.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &state, &script));
            }
        });
        Fake { address, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    pub fn prompts(&self) -> usize {
        self.state().prompts.len()
    }
}

fn serve(mut stream: TcpStream, state: &Arc<Mutex<State>>, script: &Script) {
    if state.lock().unwrap().dead {
        return;
    }
    let mut start = [0; 7];
    while stream.peek(&mut start).is_ok_and(|length| (1..7).contains(&length)) {}
    if &start == b"GET /ws" && script(&socket_request(), &mut state.lock().unwrap()).is_none() {
        return talk(stream, state);
    }
    let Some(request) = read_request(&mut stream) else { return };
    // Questions that come before the first pass are not among the calls.
    let is_first_word = request.is("GET", "/system_stats") || request.path.starts_with("/object_info/");
    if is_first_word && let Some(reply) = script(&request, &mut state.lock().unwrap()) {
        return send(&mut stream, reply);
    }
    if let Some(kind) = request.path.strip_prefix("/object_info/").filter(|_| request.method == "GET") {
        let known = !state.lock().unwrap().missing.iter().any(|missing| missing == kind);
        let info = if known { json!({kind: {"input": {}}}) } else { json!({}) };
        return respond(&mut stream, 200, "content-type: application/json", info.to_string().as_bytes());
    }
    if request.is("GET", "/system_stats") {
        return respond(&mut stream, 200, "content-type: application/json", b"{\"system\": {}}");
    }
    let reply = {
        let mut locked = state.lock().unwrap();
        log(&request, &mut locked);
        let scripted = script(&request, &mut locked);
        scripted.unwrap_or_else(|| answer(&request, &mut locked, state))
    };
    send(&mut stream, reply);
}

fn send(stream: &mut TcpStream, reply: Reply) {
    let (status, headers, body) = match reply {
        Reply::Json(status, value) => {
            (status, "content-type: application/json".to_owned(), value.to_string().into_bytes())
        }
        Reply::Raw { status, headers, body } => (status, headers, body),
        Reply::Cut => return,
        Reply::Hang => {
            let _ = stream.set_read_timeout(Some(LONGEST_HANG));
            // Until the client goes.
            while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            return;
        }
        Reply::After(time, reply) => {
            std::thread::sleep(time);
            return send(stream, *reply);
        }
    };
    respond(stream, status, &headers, &body);
}

fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn socket_request() -> Request {
    Request { method: "GET".into(), path: "/ws".into(), body: Vec::new() }
}

fn log(request: &Request, state: &mut State) {
    let path = request.path.split('?').next().unwrap_or_default();
    if path != "/history"
        && !(request.method == "GET" && (path.starts_with("/history/") || path == "/queue" || path == "/ws"))
    {
        state.calls.push(format!("{} {path}", request.method));
    }
}

/// A websocket: says what it is given until it is told to close.
#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn talk(stream: TcpStream, state: &Arc<Mutex<State>>) {
    let mut client = String::new();
    let (sender, receiver) = channel();
    let heard = |request: &WsRequest, response: WsResponse| {
        client = request.uri().query().unwrap_or_default().replace("clientId=", "");
        let mut state = state.lock().unwrap();
        state.calls.push("websocket".into());
        state.sockets.insert(client.clone(), sender);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(stream, heard) else { return };
    let status =
        json!({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": client}});
    let _ = socket.send(Message::text(status.to_string()));
    for message in receiver {
        let Some(message) = message else { return };
        if socket.send(Message::text(message.to_string())).is_err() {
            return;
        }
        // A preview between the messages.
        let _ = socket.send(Message::binary(vec![0, 0, 0, 1, 0xff, 0xd8]));
    }
}

fn answer(request: &Request, state: &mut State, shared: &Arc<Mutex<State>>) -> Reply {
    if request.is("POST", "/upload/image") {
        return upload(request, state);
    }
    if request.is("POST", "/prompt") {
        return prompt(request, state, shared);
    }
    if request.is("GET", "/queue") {
        return Reply::Json(200, json!({"queue_running": state.running, "queue_pending": state.pending}));
    }
    if request.is("GET", "/history") {
        return Reply::Json(200, Value::Object(state.history.clone()));
    }
    if request.is("POST", "/history") {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        for id in body["delete"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            state.history.remove(id);
        }
        return Reply::Raw { status: 200, headers: String::new(), body: Vec::new() };
    }
    if let Some(id) = request.path.strip_prefix("/history/") {
        let found = state.history.get(id).map(|entry| json!({id: entry}));
        return Reply::Json(200, found.unwrap_or_else(|| json!({})));
    }
    if request.is("GET", "/view") {
        if !request.path.contains("filename=edit_00001_.png&subfolder=threshflow&type=output") {
            return Reply::Raw { status: 404, headers: String::new(), body: Vec::new() };
        }
        let headers = "content-type: image/png".to_owned();
        return Reply::Raw { status: 200, headers, body: state.picture.clone() };
    }
    // `/interrupt`, and a deletion from the queue.
    Reply::Raw { status: 200, headers: String::new(), body: Vec::new() }
}

fn upload(request: &Request, state: &mut State) -> Reply {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let between =
        |start: &str, end: &str| body.split_once(start)?.1.split_once(end).map(|(inside, _)| inside);
    let name = between("name=\"image\"; filename=\"", "\"").unwrap().to_owned();
    let folder = between("name=\"subfolder\"\r\n\r\n", "\r\n").unwrap().to_owned();
    assert_eq!(between("name=\"type\"\r\n\r\n", "\r\n"), Some("input"));
    let at = request.body.windows(8).position(|window| window == b"\x89PNG\r\n\x1a\n").unwrap();
    state.uploads.insert(format!("{folder}/{name}"), request.body[at..].to_vec());
    Reply::Json(200, json!({"name": name, "subfolder": folder, "type": "input"}))
}

fn prompt(request: &Request, state: &mut State, shared: &Arc<Mutex<State>>) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let number = state.prompts.len();
    state.prompts.push(body["prompt"].clone());
    let id = format!("3b0b5740-9039-467a-805b-{number:012}");
    let client = body["client_id"].as_str().unwrap().to_owned();
    let item = json!([number, id, body["prompt"], {"client_id": client}, ["9"]]);
    let ending = state.ending.clone();
    match ending {
        Ending::Cached => end(state, &item, &ending),
        Ending::Waits => state.pending.push(item),
        _ => {
            state.running.push(item.clone());
            let shared = shared.clone();
            std::thread::spawn(move || run(&shared, &item, &client));
        }
    }
    match state.instead_of_the_id {
        Some(reply) => reply(),
        None => Reply::Json(200, json!({"prompt_id": id, "number": number, "node_errors": {}})),
    }
}

fn run(shared: &Arc<Mutex<State>>, item: &Value, client: &str) {
    pause(5);
    let mut state = shared.lock().unwrap();
    let socket = state.sockets.get(client).cloned();
    let say = |kind: &str, data: Value| {
        let mut data = data;
        data["prompt_id"] = item[1].clone();
        socket.as_ref().map(|socket| socket.send(Some(json!({"type": kind, "data": data}))))
    };
    say("execution_start", json!({"timestamp": 1795438915808_u64}));
    say("execution_cached", json!({"nodes": []}));
    say("executing", json!({"node": "1", "display_node": "1"}));
    let ending = state.ending.clone();
    match ending {
        Ending::Never => return,
        Ending::Dies => {
            state.dead = true;
            state.sockets.clear();
            return;
        }
        Ending::SocketDies => {
            let _ = socket.as_ref().map(|socket| socket.send(None));
        }
        Ending::Forgets => {
            state.running.clear();
            state.sockets.clear();
            state.ending = Ending::Picture;
            return;
        }
        Ending::Error(..) => drop(say("execution_error", json!({"node_id": "8"}))),
        Ending::Interrupted => drop(say("execution_interrupted", json!({"node_id": "8"}))),
        _ => {
            say("executed", json!({"node": "9", "output": {}}));
            say("execution_success", json!({"timestamp": 1795438915825_u64}));
        }
    }
    drop(state);
    // The end is told before the history has it.
    pause(5);
    let mut state = shared.lock().unwrap();
    end(&mut state, item, &ending);
    say("executing", json!({"node": null}));
}

/// Moves a prompt into the history.
fn end(state: &mut State, item: &Value, ending: &Ending) {
    let id = item[1].as_str().unwrap();
    let picture = json!({"9": {"images": [{"filename": "edit_00001_.png", "subfolder": "threshflow", "type": "output"}]}});
    let (outputs, last) = match ending {
        Ending::NoPicture => (json!({}), json!(["execution_success", {"prompt_id": id}])),
        Ending::Error(kind, message) => {
            let error = json!({"prompt_id": id, "node_id": "8", "node_type": "KSampler", "executed": [],
                "exception_message": message, "exception_type": kind, "traceback": ["  File ..."]});
            (json!({}), json!(["execution_error", error]))
        }
        Ending::Interrupted => {
            (json!({}), json!(["execution_interrupted", {"prompt_id": id, "node_id": "8"}]))
        }
        _ => (picture, json!(["execution_success", {"prompt_id": id}])),
    };
    let well = last[0] == "execution_success";
    let status = json!({"status_str": if well { "success" } else { "error" }, "completed": well,
        "messages": [["execution_start", {"prompt_id": id}], ["execution_cached", {"nodes": []}], last]});
    let entry = json!({"prompt": item, "outputs": outputs, "status": status, "meta": {}});
    state.running.retain(|running| running != item);
    state.history.insert(id.to_owned(), entry);
}

/// Head and body; `None` where the connection ends before.
fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        loop {
            let chunk = read_chunk(stream)?;
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
    } else if let Some(length) = header("content-length") {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).ok()?;
    }
    Some(Request { method, path, body })
}

fn read_chunk(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    let length = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim(), 16).ok()?;
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).ok()?;
    chunk.truncate(length);
    Some(chunk)
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
