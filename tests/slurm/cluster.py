"""A private SLURM of one node, on the loopback interface, for tests: ``cluster.py up|down DIR``.

Everything lives under one folder. The daemons run in the foreground of their own sessions, so
that their process ids are known for certain and nothing else is ever signalled. There is no
systemd, no cgroup and no accounting database: a container has none of them either.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
NODE = "node1"

_CONF = """\
ClusterName=senoscore
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
# A container lets nobody write cgroups, so memory is watched by looking every second.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
# squeue still knows a job this long after its end: the workflow asks it what became of a job.
MinJobAge=600
KillWait=5
SlurmdTimeout=15
EnforcePartLimits=ALL
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} \
RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=1-00:00:00 DefaultTime=00:20:00 State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """A folder with a running cluster in it.

    Parameters
    ----------
    folder
        Where configuration, state and logs are.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which SLURM's commands find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def command(self, *words: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def pid(self, daemon: str) -> int:
        """Process id of a daemon that this folder started."""
        return int(self._pids()[daemon])

    def start_slurmd(self) -> None:
        """Start the node's daemon (again) and wait until the controller can use it."""
        self._spawn("slurmd", "-D", "-N", NODE)
        deadline = time.monotonic() + 60
        while not re.search(r"idle|mix|alloc", self.command("sinfo", "-h", "-o", "%t")):
            if time.monotonic() > deadline:
                msg = f"the node does not come up: see {self.folder}/slurmd.log"
                raise SystemExit(msg)
            if "down" in self.command("sinfo", "-h", "-o", "%t"):
                self.command("scontrol", "update", f"nodename={NODE}", "state=resume")
            time.sleep(0.3)

    def _pids(self) -> dict[str, int]:
        file = self.folder / "pids.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def _spawn(self, program: str, *options: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [shutil.which(program) or program, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pids = {**self._pids(), program: process.pid}
        (self.folder / "pids.json").write_text(json.dumps(pids))


def missing() -> str:
    """Why there can be no cluster here; empty if there can."""
    lacks = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacks:
        return f"not installed: {', '.join(lacks)} (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "a private SLURM is started as root"
    if SYSTEM_CONF.exists() and not SYSTEM_CONF.is_symlink():
        return f"{SYSTEM_CONF} is there: this machine belongs to another cluster"
    return ""


def up(folder: Path, *, cpus: int = 4, memory: int = 64_000) -> Cluster:
    """Start munged, slurmctld and slurmd.

    Parameters
    ----------
    folder
        New folder for all files.
    cpus, memory
        What the node claims to have, memory in MB; it may be more than the machine has.
    """
    if reason := missing():
        raise SystemExit(reason)
    folder = folder.resolve()
    folder.mkdir(parents=True)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    controller_port, node_port = _free_ports(2)
    text = _CONF.format(
        folder=folder, host=socket.gethostname().split(".")[0], node=NODE, cpus=cpus,
        memory=memory, controller_port=controller_port, node_port=node_port,
    )  # fmt: skip
    (folder / "slurm.conf").write_text(text)
    if _version() >= (23, 11):  # before it, slurmd asks for no cgroup unless told to
        (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    # The nested srun of the executor plugin drops SLURM_CONF and looks where Debian compiled it.
    SYSTEM_CONF.parent.mkdir(parents=True, exist_ok=True)
    SYSTEM_CONF.unlink(missing_ok=True)
    SYSTEM_CONF.symlink_to(folder / "slurm.conf")
    cluster = Cluster(folder)
    socket_file = folder / "munge.socket"
    cluster._spawn(
        "munged", "--foreground", f"--key-file={key}", f"--socket={socket_file}",
        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.messages",
        f"--seed-file={folder}/munged.seed",
    )  # fmt: skip
    _wait("munged", socket_file.exists)
    cluster._spawn("slurmctld", "-D")
    _wait("slurmctld", lambda: "is UP" in cluster.command("scontrol", "ping"))
    cluster.start_slurmd()
    return cluster


def down(folder: Path) -> None:
    """Cancel the jobs and stop what :func:`up` started, and nothing else."""
    cluster = Cluster(folder.resolve())
    pids = cluster._pids()
    if _is(pids.get("slurmctld"), "slurmctld"):
        subprocess.run(["scancel", "-u", "root"], env=cluster.environment, timeout=30, check=False)
        time.sleep(1)
    for name in ("slurmd", "slurmctld", "munged"):
        stop(pids.get(name), name)
    if SYSTEM_CONF.is_symlink() and SYSTEM_CONF.readlink() == cluster.folder / "slurm.conf":
        SYSTEM_CONF.unlink()


def stop(pid: int | None, name: str) -> None:
    """End one daemon: politely, and after ten seconds for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if pid is None or not _is(pid, name):
            return
        os.kill(pid, number)
        for _ in range(100):
            if not _is(pid, name):
                return
            time.sleep(0.1)


def _is(pid: int | None, name: str) -> bool:
    """Whether the process lives (a zombie does not) and is that program."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return f"({name})" in state and ") Z" not in state


def _wait(what: str, ready: Callable[[], bool]) -> None:
    for _ in range(150):
        try:
            if ready():
                return
        except (subprocess.SubprocessError, OSError):
            pass
        time.sleep(0.2)
    msg = f"{what} did not start within 30 s: see its log in the folder"
    raise SystemExit(msg)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _version() -> tuple[int, int]:
    said = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


if __name__ == "__main__":
    verb, place = sys.argv[1:]
    if verb == "up":
        sys.stdout.write(f"export SLURM_CONF={up(Path(place)).folder / 'slurm.conf'}\n")
    else:
        down(Path(place))
