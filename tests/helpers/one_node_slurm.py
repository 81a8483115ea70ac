"""A real SLURM of one node on this machine, for tests. Needs root, and Debian's slurm-wlm and munge:

    apt-get install --no-install-recommends slurm-wlm munge
    python tests/helpers/one_node_slurm.py            # runs until Ctrl-C, prints the environment to use

Without accounting there is no sacct, by which submitit asks after jobs; a stand-in answers from scontrol.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
scontrol show job -o | sed -n 's/^JobId=\\([0-9]*\\).* JobState=\\([A-Z_]*\\) .*$/\\1|\\2|{host}/p'
"""
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={port_of_node}
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmUser=root
ReturnToService=2
MpiDefault=none
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def possible() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))


@contextmanager
def one_node_slurm() -> Iterator[dict[str, str]]:
    """The environment in which sbatch reaches it, as long as the block lasts."""
    with TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        environment = {**os.environ, "SLURM_CONF": str(_configure(folder)), "PATH": f"{folder}:{os.environ['PATH']}"}
        munge = _start_munge()
        started = [
            subprocess.Popen(["slurmctld", "-D"], env=environment, stderr=subprocess.DEVNULL),
            subprocess.Popen(["slurmd", "-D", "-N", socket.gethostname()], env=environment, stderr=subprocess.DEVNULL),
        ]
        try:
            _wait_until_idle(environment)
            yield environment
        finally:
            subprocess.run(["scancel", "--user", "root", "--full"], env=environment, check=False)
            time.sleep(2)
            for process in [*started, *munge]:
                process.terminate()
            for process in [*started, *munge]:
                process.wait()


def _configure(folder: Path) -> Path:
    host = socket.gethostname()
    sacct = folder / "sacct"
    sacct.write_text(SACCT.replace("{host}", host))
    sacct.chmod(0o755)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
    conf = folder / "slurm.conf"
    port, port_of_node = _free_port(), _free_port()
    conf.write_text(
        CONF.format(host=host, port=port, port_of_node=port_of_node, folder=folder, cpus=os.cpu_count()).lstrip()
    )
    return conf


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start_munge() -> list[subprocess.Popen[bytes]]:
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return []
    run = Path("/run/munge")
    run.mkdir(exist_ok=True)
    shutil.chown(run, "munge", "munge")
    munged = subprocess.Popen(["runuser", "-u", "munge", "--", "munged", "--foreground"], stderr=subprocess.DEVNULL)
    for _ in range(50):
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
            return [munged]
        time.sleep(0.1)
    raise RuntimeError("munged does not answer")


def _wait_until_idle(environment: dict[str, str]) -> None:
    for _ in range(150):
        asked = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
        )
        if asked.stdout.strip() in ("idle", "mixed"):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the node does not become idle: {asked.stdout} {asked.stderr}")


if __name__ == "__main__":
    with one_node_slurm() as here:
        print(f"export SLURM_CONF={here['SLURM_CONF']} PATH={here['PATH'].partition(':')[0]}:$PATH", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
