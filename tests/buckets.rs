//! Object stores for tests, each behind a proxy that looks who may come in, counts, and does harm as it is told to (`objects/s3.py` says how; what
//! stands for each store is said in `objects/stores.py`). One server of a store for all tests of a program, and a bucket for each.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::python::python_with;

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Amazon,
    Google,
    Azure,
}

const KEY_ID: &str = "AKIAOBJECTSOFTESTS";
pub const SECRET: &str = "canary/9f2a77+c0de/of/a/secret";
/// Of 32 bytes, in the form that Azure gives out.
const ACCOUNT: &str = "accountoftests";
const ACCOUNT_KEY: &str = "Y2FuYXJ5LTlmMmE3NytjMGRlL29mL2Evc2VjcmV0ISE=";
/// What a user's shell may hold that would lead elsewhere begins so.
const UNSET: [&str; 5] = ["AWS_", "AZURE_", "GOOGLE_", "HF_", "SERVICE_ACCOUNT"];

struct Server {
    /// Ends when this process does: its stdin is closed then.
    _child: Child,
    port: u16,
}

impl Store {
    pub const ALL: [Store; 3] = [Store::Amazon, Store::Google, Store::Azure];

    /// As URLs say it.
    pub fn scheme(self) -> &'static str {
        match self {
            Store::Amazon => "s3",
            Store::Google => "gs",
            Store::Azure => "az",
        }
    }

    /// Started once. `None`, and a line that says so, where what stands for it is not installed.
    fn server(self) -> Option<&'static Server> {
        static SERVERS: [OnceLock<Option<Server>>; 3] = [const { OnceLock::new() }; 3];
        SERVERS[self as usize].get_or_init(|| self.start()).as_ref()
    }

    fn start(self) -> Option<Server> {
        let mut python = match self {
            Store::Amazon | Store::Google => python_with(&["moto.server"])?,
            Store::Azure => {
                is_azurite_there().then_some(())?;
                python_with(&["azure.storage.blob"])?
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects/s3.py");
        let (who, key) = if self == Store::Azure { (ACCOUNT, ACCOUNT_KEY) } else { (KEY_ID, SECRET) };
        python.arg(script).args([who, key, self.scheme()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("is piped")).read_line(&mut line).expect("says its port");
        Some(Server { _child: child, port: line.trim().parse().expect("a port") })
    }
}

/// Where it is not, a line on stderr says that the test is passed over; with `THRESHFLOW_REQUIRE_AZURITE=1`, as in CI, this panics.
fn is_azurite_there() -> bool {
    let mut asked = Command::new("azurite-blob");
    let outcome =
        asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if outcome.is_ok_and(|status| status.success()) {
        return true;
    }
    let message = "azurite-blob of npm's azurite is not on the PATH; install it as CONTRIBUTING.md says";
    assert!(std::env::var_os("THRESHFLOW_REQUIRE_AZURITE").is_none_or(|it| it != "1"), "{message}");
    eprintln!("passed over: {message}");
    false
}

/// What the server counted since it was last told to count from zero.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Counts {
    pub lists: u64,
    pub heads: u64,
    pub gets: u64,
    pub puts: u64,
    pub posts: u64,
    pub deletes: u64,
    /// Of objects, that were sent.
    pub bytes: u64,
    /// Of objects, that came.
    pub sent: u64,
    /// Requests that harm was done to.
    pub harmed: u64,
    /// Answers that are held up at this moment.
    pub waiting: u64,
    pub objects: BTreeMap<String, OfObject>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct OfObject {
    pub gets: u64,
    pub bytes: u64,
}

/// A bucket of a test's own, which is made when something is put there.
pub struct TestBucket {
    store: Store,
    pub bucket: String,
    port: u16,
    agent: ureq::Agent,
}

impl TestBucket {
    /// Amazon's.
    pub fn new() -> Option<Self> {
        TestBucket::of(Store::Amazon)
    }

    pub fn of(store: Store) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let port = store.server()?.port;
        let bucket = format!("bucket-{}", NUMBER.fetch_add(1, Relaxed));
        Some(TestBucket::at(store, port, bucket))
    }

    /// One of Amazon's that another process knows: of a server on this port.
    pub fn known(port: u16, bucket: String) -> Self {
        TestBucket::at(Store::Amazon, port, bucket)
    }

    fn at(store: Store, port: u16, bucket: String) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        TestBucket { store, bucket, port, agent: config.build().into() }
    }

    pub fn url_of(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.store.scheme(), self.bucket)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn control(&self, verb: &str, said: &Value) -> Value {
        let url = format!("{}/_control/{}/{verb}", self.endpoint(), self.bucket);
        let mut answer = self.agent.post(url).send(said.to_string()).expect("the server answers");
        let told = answer.body_mut().read_to_string().expect("JSON");
        assert_eq!(answer.status().as_u16(), 200, "{verb} {said}: {told}");
        serde_json::from_str(&told).expect("JSON")
    }

    /// From now on this harm is done, and no other; counts begin at zero.
    pub fn rules(&self, rules: &Value) {
        self.control("rules", rules);
        self.control("reset", &json!({}));
    }

    pub fn counts(&self) -> Counts {
        serde_json::from_value(self.control("counts", &json!({}))).expect("counts")
    }

    /// Each request since counts began at zero.
    pub fn requests(&self) -> Vec<Value> {
        serde_json::from_value(self.control("requests", &json!({}))).expect("requests")
    }

    /// All that lies below `prefix`, in a folder that holds nothing else.
    pub fn download(&self, prefix: &str, folder: &Path) {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir(folder).expect("makes");
        self.control("download", &json!({ "prefix": prefix, "folder": folder }));
    }

    /// A program, led to this server and to nothing else.
    pub fn led(&self, mut command: Command, home: &Path) -> Command {
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if UNSET.iter().any(|start| upper.starts_with(start)) || upper.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        match self.store {
            Store::Amazon => {
                command.env("AWS_ENDPOINT_URL", self.endpoint()).env("AWS_DEFAULT_REGION", "us-east-1");
                command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
            }
            Store::Google => {
                command.env("GOOGLE_BEARER_TOKEN", SECRET).env("GOOGLE_BASE_URL", self.endpoint());
            }
            Store::Azure => {
                command
                    .env("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
                    .env("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY);
                command.env("AZURE_STORAGE_ENDPOINT", format!("{}/{ACCOUNT}", self.endpoint()));
            }
        }
        // No files of a user, no addresses of a cloud's machines.
        command.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }
}
