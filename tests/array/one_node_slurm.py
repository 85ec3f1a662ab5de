"""Run a real Slurm with one node, in one folder, for tests.

Needs Debian's packages munge, slurmctld, slurmd and slurm-client, but no systemd, no /etc/slurm
and no running munge.  All files are in the caller's folder.  All ports are on the loopback
address.  Any user with a password entry can run it; all jobs run as this user.  Where the host
name does not stand for a loopback address, only root can run it.

    with OneNodeSlurm(folder) as slurm:
        job = slurm.sbatch("array.sh", "--array=0-3")
        print(slurm.wait(job, 60))      # {0: "COMPLETED", 1: ...}
"""

import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue")
SEARCH_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"  # for the daemons
FINAL_STATES = {"CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}

# config_overrides: the node may claim more than it has.  cred_expire: a requeued job waits so long.
SLURM_CONF = """\
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/spool/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=10000,sched_interval=1
EnforcePartLimits=ALL
ReturnToService=2
JobRequeue=1
MinJobAge=86400
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class SlurmUnavailable(RuntimeError):
    """Slurm cannot run here.  The text is one line with the reason."""


class OneNodeSlurm:
    """A Slurm with one node, as a context manager."""

    def __init__(self, folder, cpus=4):
        """Take a folder and how many CPUs the node claims to have."""
        self.folder = Path(folder).resolve()
        self.conf = self.folder / "slurm.conf"
        self._cpus = cpus
        self._children = {}

    def __enter__(self):
        """Start the daemons; return when the node is idle."""
        if missing := [p for p in PROGRAMS if not shutil.which(p, path=SEARCH_PATH)]:
            raise SlurmUnavailable("programs not found: " + ", ".join(missing))
        renamed = self._write_files()
        end = time.monotonic() + 30
        with ExitStack() as on_error:
            on_error.callback(self.__exit__)
            files = (f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "seed"))
            link = self.folder / "munge.socket"
            self._spawn(renamed, "munged", "-F", "--force", f"--socket={link}", *files)
            while not link.exists():
                self._pause("munged made no socket", end)
            self._spawn(renamed, "slurmctld", "-D", "-f", self.conf)
            state = ""
            while state != "idle":
                self._pause(f"the node does not get idle: {state}", end)
                with suppress(RuntimeError):
                    state = self.command("sinfo", "--noheader", "--format=%t", timeout=5).strip()
                    if "slurmd" not in self._children:  # It would wait long for slurmctld.
                        self._spawn(renamed, "slurmd", "-D", "-f", self.conf)
            on_error.pop_all()
        return self

    def __exit__(self, *_):
        """End all jobs and daemons.  Leave no process behind."""
        if "slurmctld" in self._children and self._job_processes():
            with suppress(RuntimeError):
                self.command("scancel", "--user", os.getuid(), timeout=5)
                self._until_no_job(3)
        self._end_child("slurmd")
        self._end_child("slurmctld")
        self._until_no_job(10, signal.SIGKILL)
        self._end_child("munged")

    def _until_no_job(self, seconds, send=0):
        """Wait until no process of a job is left.  Send each one a signal."""
        end = time.monotonic() + seconds
        while (pids := self._job_processes()) and time.monotonic() < end:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, send)
            time.sleep(0.05)

    def _end_child(self, name):
        if child := self._children.pop(name, None):
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(5)
            child.kill()
            child.wait()

    def _write_files(self):
        """Write settings and key.  Return whether Slurm needs its own host name."""
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            raise SlurmUnavailable(f"user {os.getuid()} has no password entry") from None
        # Slurm listens on the address of its host name, so this must be loopback.
        host, renamed = socket.gethostname(), True
        with suppress(OSError):
            renamed = not socket.gethostbyname(host).startswith("127.")
        if renamed and os.getuid():
            raise SlurmUnavailable(f"host name {host} is no loopback address, and not root")
        host = "localhost" if renamed else host.split(".")[0]
        longest = os.fsencode(f"{self.folder}/spool/{host}_123456.4294967291")
        if len(longest) > 107 or re.search(rb"[\s,#]", longest):
            raise SlurmUnavailable(f"folder name too long or with special signs: {self.folder}")
        (self.folder / "spool/state").mkdir(parents=True, exist_ok=True)
        (self.folder / "munge.key").touch(0o600)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        free = ("127.0.0.1", 0)
        with socket.create_server(free) as one, socket.create_server(free) as two:
            ports = one.getsockname()[1], two.getsockname()[1]
        self.conf.write_text(SLURM_CONF.format(
            host=host, user=user, folder=self.folder, ports=ports, cpus=self._cpus))
        # Versions before 23.11 know no "disabled"; their v1 code does nothing if unused.
        version = self.command("slurmctld", "-V").split()[1]
        (self.folder / "cgroup.conf").write_text(
            "CgroupPlugin=" + ("disabled\n" if version >= "23.11" else "cgroup/v1\n"))
        return renamed

    def _spawn(self, renamed, name, *args):
        """Start a daemon.  Its output goes to NAME.log."""
        with open(self.folder / f"{name}.log", "wb") as log:
            self._children[name] = subprocess.Popen(
                [shutil.which(name, path=SEARCH_PATH), *args], cwd=self.folder,
                env=self.environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_be_localhost if renamed else None)

    def _pause(self, problem, end):
        """Sleep a little.  Fail if a daemon has ended or the time is over."""
        time.sleep(0.05)
        for name, child in self._children.items():
            if child.poll() is not None:
                log = (self.folder / f"{name}.log").read_text("utf-8", "replace").splitlines()
                raise SlurmUnavailable(f"{name} ended with {child.returncode}: {''.join(log[-1:])}")
        if time.monotonic() > end:
            raise SlurmUnavailable(problem)

    def environ(self, env=None):
        """Return an environment in which all Slurm commands find this Slurm."""
        env = os.environ if env is None else env
        clean = {k: v for k, v in env.items() if not re.match("(SLURM|SBATCH|SQUEUE|SINFO)_", k)}
        return {**clean, "SLURM_CONF": str(self.conf)}

    def command(self, program, *args, env=None, cwd=None, timeout=60):
        """Run a Slurm command and return its output."""
        try:
            done = subprocess.run(
                [shutil.which(program, path=SEARCH_PATH), *map(str, args)], env=self.environ(env),
                cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{program}: no answer in {timeout} s") from None
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")
        return done.stdout

    def sbatch(self, script, *options, env=None, cwd=None):
        """Submit a script and return the job number.  ``env`` replaces os.environ."""
        return int(self.command("sbatch", "--parsable", *options, script, env=env, cwd=cwd))

    def states(self, job):
        """Return {array task number: state}.  The key is None if there is no array."""
        output = self.command("squeue", "--noheader", "--states=all", "--array",
                              f"--jobs={job}", "--format=%K|%T")
        pairs = [line.split("|") for line in output.split()]
        return dict(sorted((int(k) if k.isdigit() else None, state) for k, state in pairs))

    def wait(self, job, seconds):
        """Wait until all tasks of a job are in a final state; return the states."""
        end = time.monotonic() + seconds
        while not FINAL_STATES.issuperset((states := self.states(job)).values()):
            if time.monotonic() > end:
                raise TimeoutError(f"not done in {seconds} s: {states}\n{self.log_tail()}")
            time.sleep(0.1)
        return states

    def info(self, task):
        """Return what ``scontrol show job`` knows of a job or task ("12_3")."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.command("scontrol", "show", "job", task)))

    def batch_pid(self, task, seconds=10):
        """Return the process number of the batch script of a job or task ("12_3").

        End it with os.killpg: without cgroups, Slurm lets the children of a dead script live.
        """
        array = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
        wanted = dict(zip(array if "_" in str(task) else ["SLURM_JOB_ID"], str(task).split("_")))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for pid, env in self._job_processes().items():
                wanted["SLURM_TASK_PID"] = str(pid)
                if wanted.items() <= env.items() and "SLURM_STEP_ID" not in env:  # not srun's
                    return pid
            time.sleep(0.05)
        raise TimeoutError(f"no batch process of {task} in {seconds} s")

    def log_tail(self, lines=15):
        """Return the last lines of the logs of all daemons."""
        tail = ["tail", f"--lines={lines}", *sorted(self.folder.glob("*.log"))]
        return subprocess.run(tail, capture_output=True, text=True, errors="replace").stdout

    def _job_processes(self):
        """Return {process number: environment} of the jobs and their slurmstepd."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                pairs = os.fsdecode((entry / "environ").read_bytes()).split("\0")
                env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
                # A slurmstepd may wipe its environment, but runs in the folder.
                step = (entry / "comm").read_text() == "slurmstepd\n"
                if (step and (entry / "cwd").readlink() == self.folder) or (
                        "SLURM_JOB_ID" in env and env.get("SLURM_CONF") == str(self.conf)):
                    found[int(entry.name)] = env
        return found


def _be_localhost():
    """Give this new process a host name of its own.  Only root may do it."""
    if ctypes.CDLL(None).unshare(0x04000000):  # CLONE_NEWUTS
        os.write(2, b"the host name is not a loopback address and may not be changed")
        os._exit(1)
    socket.sethostname("localhost")
