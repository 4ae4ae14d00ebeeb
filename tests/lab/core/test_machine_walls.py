"""A machine's root does not get at the host: the known ways out are tried, each by itself."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from deployer.lab.context import MachineSpec
from deployer.lab.machines.confinement import unfiltered
from tests.lab.core.bench import Lab

pytestmark = pytest.mark.lab

PRELUDE = """
import ctypes, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
def out(path):
    sys.exit("OUT: " + path) if os.path.exists(path + SECRET) else None
"""

CHROOT = """
os.makedirs("/tmp/deep", exist_ok=True)
here = os.open("/", os.O_RDONLY)
os.chroot("/tmp/deep")
os.fchdir(here)
for _ in range(64):
    os.chdir("..")
os.chroot(".")
out("")
"""

ESCAPES = {
    "chroot and fchdir": CHROOT,
    "the root of init": 'out("/proc/1/root")',
    "dots above the root": 'out("/" + "../" * 64)',
    "an old root": 'out("/old_root"); out("/.pivot_root")',
    "the roots of all processes": """
for pid in filter(str.isdigit, os.listdir("/proc")):
    out(f"/proc/{pid}/root"); out(f"/proc/{pid}/cwd")
    for number in os.listdir(f"/proc/{pid}/fd"):
        if os.path.isdir(f"/proc/{pid}/fd/{number}"):
            for way in ("", "/..", "/../.."):
                out(f"/proc/{pid}/fd/{number}{way}")
""",
}
"""Ways to a file of the host; they end with exit code 1 where they lead out."""

REFUSED = {
    "mount": 'call("mount", b"none", b"/mnt", b"tmpfs", 0, None)',
    "remount what is read-only": 'call("mount", b"none", b"/usr", None, 4096 | 32, None)',
    "umount": 'call("umount2", b"/usr", 2)',
    "umount the kernel's switches": 'call("umount2", b"/proc/sys", 2)',
    "a second proc": 'call("mount", b"proc", b"/mnt", b"proc", 0, None)',
    "pivot_root": 'call("pivot_root", b"/tmp", b"/tmp")',
    "move_mount": 'call("syscall", 429, -1, b"", -1, b"", 0)',
    "open_tree": 'call("syscall", 428, -100, b"/", 1)',
    "fsopen": 'call("syscall", 430, b"tmpfs", 0)',
    "a device": 'os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))',
    "a memory device": 'os.mknod("/tmp/mem", 0o20600, os.makedev(1, 1))',
    "ptrace of init": 'call("ptrace", 16, 1, 0, 0)',
    "the memory of init": """
vector = (ctypes.c_size_t * 2)(0, 8)
call("process_vm_readv", 1, vector, 1, vector, 1, 0)
""",
    "a nested user namespace": 'call("unshare", 0x10000000)',
    "a nested mount namespace": 'call("unshare", 0x00020000)',
    "clone into a user namespace": 'call("syscall", 220 if ARM else 56, 0x10000000 | 17, 0, 0, 0, 0)',
    "another's namespace": 'call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)',
    "a file by its handle": 'call("open_by_handle_at", -100, ctypes.create_string_buffer(64), 0)',
    "a kernel module": 'call("syscall", 273 if ARM else 313, 0, b"", 0)',
    "bpf": 'call("syscall", 280 if ARM else 321, 0, 0, 0)',
    "the kernel's keyrings": 'call("syscall", 219 if ARM else 250, 0, -4, 1)',
    "a kernel's switch": 'open("/proc/sys/kernel/core_pattern", "w").write("|/bin/x")',
    "sysrq": 'open("/proc/sysrq-trigger", "w").write("h")',
    "a program of the host": 'open("/usr/bin/env", "r+")',
    "chroot": 'os.chroot("/tmp")',
    "the host's name": 'call("sethostname", b"other", 5)',
}
"""Calls that have to fail, with EPERM or its like, for the machine's root as for everybody."""


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("host") / "secret-of-the-host"
    path.write_text("secret")
    return path


def attempt(lab: Lab, machine: MachineSpec, script: str, user: str, secret: str = "") -> tuple[int, str]:
    text = f"SECRET = {secret!r}\n{PRELUDE}\n{textwrap.dedent(script)}"
    return lab.room.run(machine.instance_id, ["python3", "-I", "-S", "-c", text], 30, user=user)


@pytest.mark.parametrize("user", ["root", "ec2-user"])
def test_the_known_escapes_lead_nowhere(lab: Lab, secret: Path, user: str) -> None:
    assert secret.exists()
    machine = lab.boot(lab.spec())
    found = {}
    for name, script in ESCAPES.items():
        _, said = attempt(lab, machine, script, user, str(secret))
        if "OUT: " in said:
            found[name] = said
    assert found == {}
    mounts = lab.run(machine, "cat /proc/self/mountinfo")
    assert str(secret.parent) not in lab.run(machine, "find / -xdev -name 'secret-of-the-host' 2>/dev/null || true")
    # Every mount lies below the machine's own root, and none lets a set-user-id file be one.
    for line in mounts.splitlines():
        assert "nosuid" in line or " /dev/" in line, line


@pytest.mark.skipif(unfiltered() is not None, reason=str(unfiltered()))
def test_what_leads_out_of_a_machine_is_refused_to_its_root_too(lab: Lab) -> None:
    machine = lab.boot(lab.spec())
    done = {}
    for name, script in REFUSED.items():
        code, said = attempt(lab, machine, script, "root")
        last = said.strip().splitlines()[-1:]
        refused = ("PermissionError", "Operation not permitted", "Permission denied", "Read-only file system")
        if name == "sysrq" and "FileNotFoundError" in said:
            continue  # A kernel without it.
        if code == 0 or not last or not any(word in last[0] for word in refused):
            done[name] = (code, said)
    assert done == {}


def test_root_lacks_the_capabilities_that_lead_out_and_keeps_those_over_its_own(lab: Lab) -> None:
    machine = lab.boot(lab.spec())
    status = lab.run(machine, "cat /proc/self/status")
    sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert {int(sets[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0b100_1111_1011}
    assert (
        lab.run(machine, "ls -ld /proc/1/root/etc > /dev/null; echo x > /etc/x; cat /etc/x; kill -0 1 && echo y")
        == "x\ny"
    )


def test_a_set_user_id_file_makes_nobody_root(lab: Lab) -> None:
    if lab.room.one_user:
        pytest.skip(f"machines have one user here: {lab.room.one_user}")
    machine = lab.boot(lab.spec())
    lab.run(machine, "cp /bin/sh /tmp/sh; chown root:root /tmp/sh; chmod 4755 /tmp/sh")
    _, said = lab.room.run(machine.instance_id, ["/tmp/sh", "-p", "-c", "id -u"], 30, user="deploy")
    assert said.strip() == "1003"


def test_a_machine_sees_neither_the_processes_nor_the_message_queues_of_the_host(lab: Lab) -> None:
    machine = lab.boot(lab.spec())
    pids = lab.run(machine, "ls /proc | grep -c '^[0-9]*$'")
    assert int(pids) < 12
    for name in ("mnt", "pid", "ipc", "uts", "user"):
        assert lab.run(machine, f"readlink /proc/self/ns/{name}") != str(Path(f"/proc/self/ns/{name}").readlink())
