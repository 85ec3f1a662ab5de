//! Which of the processes this one is, and where they are: by flags, by a file of hosts, by what a scheduler says.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::row::ContentHash;

/// Where processes listen whose lines in a file of hosts name no port; timely's first port.
const PORT: u16 = 2101;

/// More are none that this was made for: each has a link to each.
pub(super) const MOST: usize = 1_024;

/// One of several processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0 on.
    pub index: usize,
    pub of: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = numbers.ok_or(
            "a process is written I/N, as in 0/4: the first of 4; I alone beside --hosts; or `auto` under Slurm or Kubernetes",
        )?;
        Place::checked(index, of)
    }
}

impl Place {
    /// # Errors
    /// Where there are too many processes, or not so many.
    pub fn checked(index: usize, of: usize) -> Result<Self, String> {
        if of == 0 || of > MOST {
            return Err(format!("there are 1 to {MOST} processes, not {of}"));
        }
        if index >= of {
            return Err(format!(
                "there is no process {index} of {of}: they count from 0, the last is {}",
                of - 1
            ));
        }
        Ok(Place { index, of })
    }

    /// A process that runs alone.
    pub const ALONE: Place = Place { index: 0, of: 1 };

    /// This process's share of something that all of them may use together: of 10 among 4, 3 or 2.
    ///
    /// ```
    /// use threshflow::cluster::Place;
    /// let shares = [0, 1, 2, 3].map(|index| Place { index, of: 4 }.share_of(10));
    /// assert_eq!(shares, [3, 3, 2, 2]);
    /// ```
    pub fn share_of(self, all: u64) -> u64 {
        let (index, of) = (self.index as u64, self.of as u64);
        all / of + u64::from(index < all % of)
    }

    /// By the variables that a scheduler sets: of a Slurm step with a task for each process, or an Indexed Job of Kubernetes.
    ///
    /// ```
    /// use threshflow::cluster::Place;
    /// let variable = |name: &str| match name {
    ///     "SLURM_PROCID" => Some("3".to_owned()),
    ///     "SLURM_NTASKS" => Some("8".to_owned()),
    ///     _ => None,
    /// };
    /// assert_eq!(Place::of_scheduler(&variable), Ok(Place { index: 3, of: 8 }));
    /// ```
    ///
    /// # Errors
    /// Where they are not set, or say something else.
    pub fn of_scheduler(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<usize>, String> {
            let Some(text) = variable(name) else { return Ok(None) };
            let number = text.trim().parse();
            number.map(Some).map_err(|_| format!("{name} is {text:?}, which is not a number"))
        };
        for (index, of, add) in [
            ("SLURM_PROCID", "SLURM_NTASKS", "start it by `srun --ntasks=N`"),
            ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", "set it to the Job's completions"),
        ] {
            if let Some(place) = number(index)? {
                let of = number(of)?.ok_or_else(|| format!("{index} is set, and {of} is not: {add}"))?;
                return Place::checked(place, of);
            }
        }
        Err("neither SLURM_PROCID nor JOB_COMPLETION_INDEX is set; say which process, as in 0/4".to_owned())
    }
}

/// Where the processes listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Reads a file of hosts: a line for each process, in their order, `HOST` or `HOST:PORT`.
    ///
    /// ```
    /// use threshflow::cluster::Hosts;
    /// let hosts = Hosts::parse("node1  # the one that publishes\nnode2:2200\n").expect("two hosts");
    /// assert_eq!(hosts.all(), ["node1:2101", "node2:2200"]);
    /// assert!(Hosts::parse("node1\nnode1\n").unwrap_err().contains("two processes"));
    /// ```
    ///
    /// # Errors
    /// Where a line is no such, or two processes would listen at one address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut hosts = Vec::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = |why: &str| format!("line {}: {line:?} {why}", number + 1);
            if line.contains(char::is_whitespace) {
                return Err(wrong("is no host: a line is HOST or HOST:PORT"));
            }
            let has_port = match line.rsplit_once(':') {
                // An address of version 6 without a port has colons and no brackets.
                Some((host, port)) => {
                    let is_bare = host.contains(':') && !host.ends_with(']');
                    if !is_bare && (port.parse::<u16>().is_err() || host.is_empty()) && !line.ends_with(']') {
                        return Err(wrong("has a port that is none: 1 to 65535"));
                    }
                    !is_bare && !line.ends_with(']')
                }
                None => false,
            };
            let host = match has_port {
                true => line.to_owned(),
                false if line.contains(':') && !line.starts_with('[') => format!("[{line}]:{PORT}"),
                false => format!("{line}:{PORT}"),
            };
            if hosts.contains(&host) {
                return Err(wrong(
                    "is there twice: two processes would listen at one address; give each a port of its own",
                ));
            }
            hosts.push(host);
        }
        match hosts.len() {
            0 => Err("it names no host".to_owned()),
            many if many > MOST => Err(format!("it names {many} processes; there are at most {MOST}")),
            _ => Ok(Hosts(hosts)),
        }
    }

    pub fn all(&self) -> &[String] {
        &self.0
    }

    /// Of one written like them.
    pub(super) fn address(host: &str) -> Result<SocketAddr, String> {
        let found = host.to_socket_addrs().map_err(|error| format!("{host} is not found: {error}"))?;
        let all: Vec<SocketAddr> = found.collect();
        let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
        first.copied().ok_or_else(|| format!("{host} has no address"))
    }
}

/// Of a list that all must have alike.
pub(super) fn digest_of(lines: &[String]) -> String {
    ContentHash::of(lines.join("\n").as_bytes()).to_string()
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: writes at most so many bytes there.
    let read = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(0);
    match read {
        0 => String::from_utf8_lossy(&name[..length]).into_owned(),
        _ => "a host".to_owned(),
    }
}

/// Where a process listens that is told nothing of it: the address that a scheduler gives its host, or that of the host's name.
pub(super) fn own_address(variable: &dyn Fn(&str) -> Option<String>) -> Result<SocketAddr, String> {
    let named = ["POD_IP", "SLURMD_NODENAME"].into_iter().find_map(variable);
    let host = named.filter(|name| !name.is_empty()).unwrap_or_else(host_name);
    let host = if host.contains(':') { format!("[{host}]:0") } else { format!("{host}:0") };
    Hosts::address(&host).map_err(|why| format!("{why}; say by --bind where this process is to listen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lines_of_names_addresses_and_ports() {
        let hosts = Hosts::parse("\n10.0.0.1:5000\n# all others\n  b \n::1\n[::2]:7\n[::3]\n").unwrap();
        assert_eq!(hosts.all(), ["10.0.0.1:5000", "b:2101", "[::1]:2101", "[::2]:7", "[::3]:2101"]);
        for (text, words) in [
            ("", "names no host"),
            ("a b", "line 1: \"a b\" is no host"),
            ("a\nb:x", "line 2: \"b:x\" has a port that is none"),
            ("a:70000", "a port that is none"),
            (":80", "a port that is none"),
            ("a\na:2101", "line 2: \"a:2101\" is there twice"),
        ] {
            let why = Hosts::parse(text).unwrap_err();
            assert!(why.contains(words), "{text:?}: {why}");
        }
    }

    #[test]
    fn places_count_from_0() {
        assert_eq!("3/4".parse(), Ok(Place { index: 3, of: 4 }));
        for (text, words) in [
            ("4/4", "the last is 3"),
            ("0/0", "1 to 1024 processes"),
            ("0/5000", "not 5000"),
            ("1", "I/N"),
            ("-1/2", "I/N"),
        ] {
            let why = text.parse::<Place>().unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
        let none = |_: &str| None;
        assert!(Place::of_scheduler(&none).unwrap_err().contains("neither"));
        let half = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "1".to_owned());
        assert!(Place::of_scheduler(&half).unwrap_err().contains("JOB_COMPLETIONS is not"));
    }
}
