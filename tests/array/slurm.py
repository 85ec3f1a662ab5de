"""Submits a job file to a real Slurm, as it is. Two of its tasks are killed, in two ways; in the end one run publishes. Prints what became of it as
JSON, or why there is no Slurm here.

    python3 slurm.py FOLDER JOB_FILE PROGRAM_KILLED TASK_KILLED
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from one_node_slurm import OneNodeSlurm, SlurmUnavailable

PATIENCE = 120


def program_of(script):
    """The process that the script of a task waits for."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    if parent == script and b"--part" in (process / "cmdline").read_bytes():
                        return int(process.name)
                except OSError:
                    pass
        time.sleep(0.02)
    sys.exit("the task started no program")


def main():
    folder, job_file = Path(sys.argv[1]), sys.argv[2]
    (folder / "slurm").mkdir()
    program_killed, task_killed = sys.argv[3], sys.argv[4]
    try:
        with OneNodeSlurm(folder / "slurm") as slurm:
            asking = slurm.sbatch(job_file, cwd=folder)
            # The program dies, as by the out-of-memory killer: the script has the task queued again.
            os.kill(program_of(slurm.batch_pid(f"{asking}_{program_killed}", PATIENCE)), signal.SIGKILL)
            # The whole task dies: Slurm lets it be.
            os.killpg(slurm.batch_pid(f"{asking}_{task_killed}", PATIENCE), signal.SIGKILL)
            first = slurm.wait(asking, PATIENCE)
            restarts = slurm.info(f"{asking}_{program_killed}")["Restarts"]
            again = slurm.wait(slurm.sbatch(job_file, f"--array={task_killed}", cwd=folder), PATIENCE)
            publishing = slurm.wait(slurm.sbatch(job_file, "--array=0", cwd=folder), PATIENCE)
            print(json.dumps({"first": first, "restarts": restarts, "again": again, "publishing": publishing}))
    except SlurmUnavailable as why:
        print(json.dumps({"unavailable": str(why)}))


main()
