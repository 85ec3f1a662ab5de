//! Machines: network namespaces of this one, each with a network card of its own on one switch. Needs iproute2 and the right to make namespaces;
//! passed over by name where that cannot be had.

use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use tests::program::{Desk, asks, ended_within, start, wait_for_asks};
use tests::resident::assert_published;

use crate::{IN_HAND, command, counted, desk, done};

fn ip(arguments: &str) -> Output {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output();
    output.unwrap_or_else(|error| panic!("ip: {error}"))
}

fn done_by(arguments: &str) {
    let output = ip(arguments);
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Some machines at one switch.
struct Machines {
    name: String,
    count: usize,
}

impl Machines {
    /// `None` where this system makes no namespaces for us.
    fn new(test: &str, count: usize) -> Option<Self> {
        let name = format!("tf{}{test}", std::process::id());
        let switch = format!("{name}s");
        let made = Command::new("ip")
            .args(["netns", "add", &switch])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .output();
        let why = match made {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(format!("ip: {error}")),
        };
        if let Some(why) = why {
            let required = std::env::var_os("THRESHFLOW_REQUIRE_NETNS").is_some_and(|it| it == "1");
            assert!(!required, "no network namespaces: {why}");
            eprintln!("passed over: machines as network namespaces: {why}");
            return None;
        }
        let machines = Machines { name, count };
        done_by(&format!("-n {switch} link add switch type bridge"));
        done_by(&format!("-n {switch} link set switch up"));
        for index in 0..count {
            let machine = machines.machine(index);
            done_by(&format!("netns add {machine}"));
            done_by(&format!("-n {switch} link add port{index} type veth peer name card netns {machine}"));
            done_by(&format!("-n {switch} link set port{index} master switch up"));
            done_by(&format!("-n {machine} addr add {}/24 dev card", machines.address(index)));
            done_by(&format!("-n {machine} link set card up"));
            done_by(&format!("-n {machine} link set lo up"));
        }
        Some(machines)
    }

    fn machine(&self, index: usize) -> String {
        format!("{}m{index}", self.name)
    }

    fn address(&self, index: usize) -> String {
        format!("10.77.0.{}", index + 1)
    }

    /// Takes the cable of a machine out.
    fn cut(&self, index: usize) {
        done_by(&format!("-n {}s link set port{index} down", self.name));
    }

    fn mend(&self, index: usize) {
        done_by(&format!("-n {}s link set port{index} up", self.name));
    }

    /// Starts the process of that number on its machine.
    fn start(&self, desk: &Desk, index: usize, flags: &str) -> Child {
        let run = command(desk, &format!("--cores 1 {flags}"));
        let mut there = Command::new("ip");
        there.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        there.args(["netns", "exec", &self.machine(index)]).arg(run.get_program()).args(run.get_args());
        there.current_dir(desk.folder.path());
        start(&mut there)
    }

    /// Where processes on a machine listen.
    fn listens(&self, index: usize) -> Vec<String> {
        let output = ip(&format!("netns exec {} cat /proc/net/tcp", self.machine(index)));
        let text = String::from_utf8(output.stdout).expect("a table");
        let fields = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let listening = fields.filter(|fields| fields[3] == "0A");
        let address = |fields: Vec<&str>| {
            let (host, _) = fields[1].split_once(':')?;
            let bytes = u32::from_str_radix(host, 16).ok()?.to_le_bytes();
            Some(bytes.map(|byte| byte.to_string()).join("."))
        };
        listening.filter_map(address).collect()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in (0..self.count).map(|index| self.machine(index)).chain([format!("{}s", self.name)]) {
            ip(&format!("netns del {name}"));
        }
    }
}

#[test]
fn three_machines_run_one_dataflow_and_a_cable_that_is_cut_ends_all_in_ten_seconds() {
    let Some(machines) = Machines::new("a", 3) else { return };
    let desk = desk(6, false);
    let hosts: String = (0..3).map(|index| format!("{}\n", machines.address(index))).collect();
    std::fs::write(desk.path("hosts"), hosts).expect("writes");
    let log = desk.path("asks.log");

    // They listen where they were told, and nowhere else.
    let mut two: Vec<Child> = [0, 1]
        .map(|index| machines.start(&desk, index, &format!("--process {index} --hosts hosts --slow 8")))
        .into();
    let begin = Instant::now();
    for index in [0, 1] {
        while machines.listens(index).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(30), "process {index} listens nowhere");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(machines.listens(index), [machines.address(index)]);
    }
    two.push(machines.start(&desk, 2, "--process 2 --hosts hosts --slow 8"));
    wait_for_asks(&log, 300);
    for index in 0..3 {
        assert!(machines.listens(index).is_empty(), "when all are there, nobody else is let in");
    }

    machines.cut(1);
    let cut = Instant::now();
    let ended: Vec<_> = two.into_iter().map(|child| ended_within(child, 30)).collect();
    assert!(cut.elapsed() < Duration::from_secs(10), "{:?}: {ended:#?}", cut.elapsed());
    for (index, ended) in ended.into_iter().enumerate() {
        // Who is cut off sees that process 0 is gone; the others see that it is.
        let (process, address) = if index == 1 { (0, "10.77.0.1:2101") } else { (1, "10.77.0.2:2101") };
        let named = format!("error: process {process} on ");
        let ended = ended.expect(75, &[&named, address, "it hangs, or the network to it is cut"]);
        let told = ended.stderr.matches(&named).count();
        assert_eq!(told, 1, "{ended:#?}");
    }
    assert!(!desk.path("out/manifest.json").exists());

    machines.mend(1);
    let again: Vec<Child> = (0..3)
        .map(|index| machines.start(&desk, index, &format!("--process {index} --hosts hosts")))
        .collect();
    let said: Vec<_> = again.into_iter().map(done).collect();
    assert_eq!(said[0].json()["processes"]["count"], 3);
    assert!(said[0].json()["processes"]["bytes_sent"].as_u64().is_some_and(|bytes| bytes > 0));
    let again: usize = counted(&desk).values().map(|count| count - 1).sum();
    assert!(again <= 3 * IN_HAND && asks(&log).len() > 400, "{again}");
    assert_published(&desk, "", "after a cut");
}

#[test]
fn machines_find_each_other_by_the_store_where_each_says_its_address() {
    let Some(machines) = Machines::new("b", 2) else { return };
    let desk = desk(4, false);
    let start = |index: usize| {
        machines.start(&desk, index, &format!("--process {index}/2 --bind {}", machines.address(index)))
    };
    let (second, first) = (start(1), start(0));
    let said = done(first).json();
    done(second);
    assert_eq!(said["processes"]["count"], 2);
    assert_published(&desk, "", "on two machines");
    // One that knows no other network cannot reach them, and says whom it waits for.
    let alone = machines.start(&desk, 0, "--process 1/2 --bind 127.0.0.1");
    std::thread::sleep(Duration::from_millis(10_500));
    tests::program::signal(&alone, libc::SIGTERM);
    ended_within(alone, 10).expect(1, &["waits for process 0", "stopped"]);
}
