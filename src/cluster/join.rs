//! How processes come together: process 0 listens and says where, the others find it; when all are there, each links up with each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use serde::{Deserialize, Serialize};

use super::control::Shared;
use super::link::RowsLink;
use super::message::{Hello, Host, Message, receive, send};
use super::place::{digest_of, host_name, own_address};
use super::token::{Known, PATIENCE, Purpose, Token};
use super::{Cluster, Hosts, Links, Lost, MEETING_POINT, Place};

/// How long the others may take to come.
const COMING: Duration = Duration::from_secs(900);
/// How long one of them may take to take up a link.
const LINKING: Duration = Duration::from_secs(30);
/// How often is said who is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// How often is looked whether anything happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Strangers that may be made to prove themselves at once.
const MOST_STRANGERS: usize = 64;

/// Something that must be the same in all processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Same {
    /// `the dials`.
    pub what: String,
    /// In words, or as a digest.
    pub is: String,
}

/// What a process needs to know to join the others.
pub struct Joining<'a> {
    pub place: Place,
    /// Where all listen, if that is known.
    pub hosts: Option<Hosts>,
    /// Where this process listens, if there is no list of them: `HOST` or `HOST:PORT`.
    pub bind: Option<String>,
    /// A folder that all of them see.
    pub store: &'a Path,
    /// The names of the shards, in an order that all have alike.
    pub shards: &'a [String],
    pub same: Vec<Same>,
    /// Whether a process that does not end in time when the run ended elsewhere is ended.
    pub ends_the_process: bool,
}

/// Called at every look while others are waited for; an error ends it.
type Look<'a> = &'a mut dyn FnMut() -> Result<(), String>;

/// Where process 0 listens, and the run's token.
#[derive(Serialize, Deserialize)]
struct MeetingPoint {
    address: SocketAddr,
    of: usize,
    token: String,
}

/// Listens, and has who connects prove itself.
struct Door {
    address: SocketAddr,
    known: Receiver<Known>,
    closed: Arc<AtomicBool>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

impl Joining<'_> {
    /// Waits until all processes are there and linked.
    ///
    /// # Errors
    /// Who did not come, who is of another run, or where the run ended meanwhile. The others that are here are told.
    pub fn join(mut self, look: &mut dyn FnMut() -> Result<(), String>) -> Result<Arc<Cluster>, Lost> {
        let shared = Shared::new();
        if self.ends_the_process {
            shared.end_the_process_when_lost();
        }
        self.same.insert(0, Same { what: "the shards".to_owned(), is: self.shards_in_words() });
        let joined = match self.place {
            Place { of: 1, .. } => self.alone(&shared),
            Place { index: 0, .. } => self.lead(&shared, look),
            _ => self.follow(&shared, look),
        };
        joined.map_err(|why| {
            let (process, host) = (self.place.index, host_name());
            let own = Lost { process, host, why, again: false };
            // Who is there already waits for this one; unless that is told already.
            shared.lose(own.clone());
            let lost = shared.state().lost.clone().unwrap_or(own);
            shared.hang_up();
            lost
        })
    }

    fn shards_in_words(&self) -> String {
        format!("{}, of the digest {}", self.shards.len(), digest_of(self.shards))
    }

    fn alone(&self, shared: &Arc<Shared>) -> Result<Arc<Cluster>, String> {
        shared.lead(self.shards, 1);
        Ok(self.cluster(shared, vec![host_name()], vec![None]))
    }

    fn cluster(&self, shared: &Arc<Shared>, hosts: Vec<String>, links: Links) -> Arc<Cluster> {
        let (place, shared) = (self.place, shared.clone());
        Arc::new(Cluster { place, hosts, shared, links: Mutex::new(Some(links)), asking: Mutex::new(()) })
    }

    /// Where this process listens: as it was told, or by what a scheduler and the host's name say.
    fn own_address(&self) -> Result<SocketAddr, String> {
        let address = match (&self.hosts, &self.bind) {
            (Some(hosts), _) => Hosts::address(&hosts.all()[self.place.index])?,
            (None, Some(bind)) => {
                let has_port = bind.parse::<SocketAddr>().is_ok()
                    || bind.matches(':').count() == 1 && !bind.ends_with(']');
                let is_bare = bind.contains(':') && !bind.starts_with('[') && !has_port;
                let bind = if is_bare { format!("[{bind}]") } else { bind.clone() };
                Hosts::address(&if has_port { bind } else { format!("{bind}:0") })?
            }
            (None, None) => own_address(&|name| std::env::var(name).ok())?,
        };
        if address.ip().is_unspecified() {
            return Err(format!(
                "{address} is every address of this host, and others have to know one: name the one that they reach it by"
            ));
        }
        if address.ip().is_loopback() && self.hosts.is_none() && self.bind.is_none() {
            crate::note!(
                "this process listens at {}, which this machine alone reaches; for others say by --bind where it is to listen",
                address.ip()
            );
        }
        Ok(address)
    }

    fn listen(&self, token: impl Fn() -> Option<Token> + Send + Clone + 'static) -> Result<Door, String> {
        let wanted = self.own_address()?;
        let cannot = |error: io::Error| {
            format!("this process cannot listen at {wanted}: {error}; name another address or port")
        };
        let listener = TcpListener::bind(wanted).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (sender, known) = unbounded();
        let closed = Arc::new(AtomicBool::new(false));
        let closes = closed.clone();
        let open = move || accept_all(&listener, &token, &sender, &closes);
        let started = std::thread::Builder::new().name("cluster:listen".into()).spawn(open);
        started.map_err(|error| crate::limits::no_thread("to listen", &error))?;
        Ok(Door { address, known, closed })
    }

    fn own_host(&self, address: SocketAddr) -> Host {
        Host { name: host_name(), address }
    }

    fn lead(&self, shared: &Arc<Shared>, look: Look<'_>) -> Result<Arc<Cluster>, String> {
        shared.lead(self.shards, self.place.of);
        let token = Token::new().map_err(|error| format!("no token could be made: {error}"))?;
        let ours = token.clone();
        let door = self.listen(move || Some(ours.clone()))?;
        let point = MeetingPoint { address: door.address, of: self.place.of, token: token.to_hex() };
        let meeting = Meeting::write(self.store, &point)?;
        let mut table: BTreeMap<usize, Host> = [(0, self.own_host(door.address))].into();
        let mut rows = BTreeMap::new();
        let mut patience = Patience::new();
        while table.len() < self.place.of {
            patience.look(shared, look, || {
                let missing = (0..self.place.of).filter(|process| !table.contains_key(process));
                let missing: Vec<String> = missing.take(8).map(|process| process.to_string()).collect();
                format!(
                    "waits for processes to join at {}: {} of {} are here, not yet {}",
                    door.address,
                    table.len(),
                    self.place.of,
                    missing.join(", ")
                )
            })?;
            let Ok(known) = door.known.recv_timeout(LOOK_EVERY) else { continue };
            if known.purpose == Purpose::Rows {
                rows.insert(known.process, known.stream);
                continue;
            }
            let host = self.welcome(shared, &known)?;
            table.insert(known.process, host);
        }
        let table: Vec<Host> = table.into_values().collect();
        shared.state().tell_all(&Message::Table(table.clone()));
        let cluster = self.link_up(shared, &door, table, rows, &token, look);
        drop(meeting);
        cluster
    }

    /// Hears the hello of a process, and takes it in.
    fn welcome(&self, shared: &Arc<Shared>, known: &Known) -> Result<Host, String> {
        let Known { stream, process, .. } = known;
        let heard = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| receive(&mut &*stream));
        let Hello { host, of, same } = match heard {
            Ok(Message::Hello(hello)) => hello,
            Ok(_) => return Err(format!("process {process} did not say hello: it is of another version")),
            Err(error) => return Err(format!("process {process} did not say hello: {error}")),
        };
        let named = host.named();
        shared
            .talk(stream, *process, named.clone())
            .map_err(|error| format!("process {process} on {named}: {error}"))?;
        if of != self.place.of || !(1..self.place.of).contains(process) {
            return Err(format!(
                "process {process} of {of} on {named} came, and here are {} processes: start all with one number of them",
                self.place.of
            ));
        }
        for (ours, theirs) in self.same.iter().zip(&same) {
            if ours != theirs {
                return Err(format!(
                    "process {process} on {named} has not the same flags, or sees not the same files: {} are {} there, and {} here. Start all \
                     processes with the same",
                    theirs.what, theirs.is, ours.is
                ));
            }
        }
        Ok(host)
    }

    fn follow(&self, shared: &Arc<Shared>, look: Look<'_>) -> Result<Arc<Cluster>, String> {
        let token: Arc<Mutex<Option<Token>>> = Arc::default();
        let ours = token.clone();
        let door = self.listen(move || super::lock(&ours).clone())?;
        let mut patience = Patience::new();
        let mut why = "it is not there yet".to_owned();
        let (known, stream, first) = loop {
            patience.look(shared, look, || {
                format!(
                    "waits for process 0, which says in {} where it is: {why}",
                    self.store.join(MEETING_POINT).display()
                )
            })?;
            match self.reach_the_first() {
                Ok(reached) => break reached,
                Err(error) => why = error,
            }
            #[expect(clippy::disallowed_methods, reason = "the thread that joins, which may wait")]
            std::thread::sleep(LOOK_EVERY);
        };
        *super::lock(&token) = Some(known.clone());
        let host = self.own_host(door.address);
        let hello = Message::Hello(Hello { host, of: self.place.of, same: self.same.clone() });
        send(&mut &stream, &hello)
            .and_then(|()| shared.talk(&stream, 0, format!("({first})")))
            .map_err(|error| format!("process 0 at {first}: {error}"))?;
        let table = loop {
            if let Some(table) = shared.state().table.take() {
                break table;
            }
            patience.look(shared, look, || format!("waits at process 0 ({first}) until all are there"))?;
            shared.wait_a_moment(LOOK_EVERY);
        };
        self.link_up(shared, &door, table, BTreeMap::new(), &known, look)
    }

    /// A connection to process 0, if that is there.
    fn reach_the_first(&self) -> Result<(Token, TcpStream, SocketAddr), String> {
        let path = self.store.join(MEETING_POINT);
        let text = std::fs::read(&path).map_err(|error| error.to_string())?;
        let point: Option<MeetingPoint> = serde_json::from_slice(&text).ok();
        let point = point.ok_or("its file is none of this version")?;
        let token = Token::from_hex(&point.token).ok_or("its file has no token")?;
        let address = match &self.hosts {
            Some(hosts) => Hosts::address(&hosts.all()[0])?,
            None => point.address,
        };
        let stream = connect(address, &token, Purpose::Words, self.place.index)
            .map_err(|error| format!("{address}: {error}; it may be left by an earlier run"))?;
        Ok((token, stream, address))
    }

    /// Makes the links for rows: to those of lesser numbers, from those of greater ones.
    fn link_up(
        &self,
        shared: &Arc<Shared>,
        door: &Door,
        table: Vec<Host>,
        mut rows: BTreeMap<usize, TcpStream>,
        token: &Token,
        look: Look<'_>,
    ) -> Result<Arc<Cluster>, String> {
        let own = self.place.index;
        let mut patience = Patience::new();
        for (other, host) in table.iter().enumerate().take(own) {
            let begin = Instant::now();
            let stream = loop {
                match connect(host.address, token, Purpose::Rows, own) {
                    Ok(stream) => break stream,
                    Err(error) if begin.elapsed() > LINKING => {
                        return Err(format!(
                            "process {other} on {} cannot be reached for rows: {error}",
                            host.named()
                        ));
                    }
                    Err(error) => patience.look(shared, look, || {
                        format!("tries to reach process {other} on {} for rows: {error}", host.named())
                    })?,
                }
                shared.wait_a_moment(LOOK_EVERY);
            };
            rows.insert(other, stream);
        }
        while rows.len() + 1 < self.place.of {
            patience
                .look(shared, look, || format!("waits for links: {} of {}", rows.len(), self.place.of - 1))?;
            if let Ok(known) = door.known.recv_timeout(LOOK_EVERY)
                && known.purpose == Purpose::Rows
                && (own + 1..self.place.of).contains(&known.process)
            {
                rows.insert(known.process, known.stream);
            }
        }
        let hosts: Vec<String> = table.iter().map(Host::named).collect();
        let mut links: Links = (0..self.place.of).map(|_| None).collect();
        for (other, stream) in rows {
            let link = RowsLink::new(stream, shared.clone(), other, hosts[other].clone());
            let link =
                link.map_err(|error| format!("the link to process {other} on {}: {error}", hosts[other]))?;
            links[other] = Some(Box::new(link));
        }
        Ok(self.cluster(shared, hosts, links))
    }
}

fn connect(address: SocketAddr, token: &Token, purpose: Purpose, process: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    token.connect(&mut stream, purpose, process)?;
    Ok(stream)
}

/// Lets in who knows the token, each tried on a thread of its own, so that one that says nothing holds nobody up.
fn accept_all(
    listener: &TcpListener,
    token: &(impl Fn() -> Option<Token> + Send + Clone + 'static),
    known: &Sender<Known>,
    closed: &AtomicBool,
) {
    let strangers = Arc::new(());
    let mut told = Vec::new();
    let (refused, refusals) = unbounded::<(SocketAddr, io::Error)>();
    while !closed.load(Ordering::SeqCst) {
        for (from, error) in refusals.try_iter() {
            // Once an address: who scans ports fills no log.
            if !told.contains(&from.ip()) && told.len() < MOST_STRANGERS {
                crate::note!(
                    "a connection from {} was refused: it did not prove that it knows this run's token ({error})",
                    from.ip()
                );
                told.push(from.ip());
            }
        }
        // Where there is no room, who connects waits.
        if Arc::strong_count(&strangers) <= MOST_STRANGERS
            && let Ok((stream, from)) = listener.accept()
        {
            let (token, known, refused, one) =
                (token.clone(), known.clone(), refused.clone(), strangers.clone());
            let prove = move || {
                let _one = one;
                // A process that knows no token yet cannot be meant.
                let Some(token) = token() else { return };
                match token.accept(stream) {
                    Ok(proven) => drop(known.send(proven)),
                    Err(error) => drop(refused.send((from, error))),
                }
            };
            drop(std::thread::Builder::new().name("cluster:prove".into()).spawn(prove));
            continue;
        }
        #[expect(clippy::disallowed_methods, reason = "a thread of its own, which does nothing else")]
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The file by which the others find process 0; it goes when all are there.
struct Meeting(PathBuf);

impl Meeting {
    fn write(store: &Path, point: &MeetingPoint) -> Result<Self, String> {
        let path = store.join(MEETING_POINT);
        let write = || -> io::Result<()> {
            // For this user alone, whatever the umask says: who reads it can join.
            let own = PermissionsExt::from_mode(0o600);
            let mut file =
                tempfile::Builder::new().prefix(".cluster-").permissions(own).tempfile_in(store)?;
            file.write_all(&serde_json::to_vec(point)?)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(Meeting(path))
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Waits for others, and says so.
struct Patience {
    begin: Instant,
    said: Instant,
}

impl Patience {
    fn new() -> Self {
        let now = Instant::now();
        Patience { begin: now, said: now }
    }

    fn look(&mut self, shared: &Shared, look: Look<'_>, waits: impl Fn() -> String) -> Result<(), String> {
        look()?;
        if let Some(lost) = &shared.state().lost {
            return Err(lost.to_string());
        }
        if self.begin.elapsed() > COMING {
            return Err(format!("gave up after {} minutes: {}", COMING.as_secs() / 60, waits()));
        }
        if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            crate::note!("{} ({} s)", waits(), self.begin.elapsed().as_secs());
        }
        Ok(())
    }
}
