"""How the host's side is run on one host: as whom, by which Python, and where it keeps a fleet's releases."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from deployer.model.hosts import Host
from deployer.remote.agent_file import agent_digest
from deployer.remote.command import Command
from deployer.remote.errors import RemoteError

SYSTEM_ROOT = "/var/lib/deployer"
"""Where releases live when they are installed as root: every user may enter it, as scripts run as others."""
HOME_ROOT = "~/.deployer"
"""Where they live when the login user installs them."""

FACTS = """
printf '%s\\n' "$HOME" "$(id -u)"
command -v python3 || echo -
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then echo sudo; else echo -; fi
printf '%s\\n' "${DEPLOYER_HOST_ROOT:--}"
"""
PASSING = """
import importlib.abc, importlib.util, io, sys, zipfile
if sys.version_info < (3, 6):
    sys.exit("deployer needs Python 3.6 or newer on the host")
sent = sys.stdin.buffer.read()
archive = zipfile.ZipFile(io.BytesIO(sent[: int(sys.argv[1])]))
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        place = name.replace(".", "/")
        for file, package in ((place + "/__init__.py", True), (place + ".py", False)):
            if file in archive.namelist():
                return importlib.util.spec_from_loader(name, self, origin=file, is_package=package)
    def exec_module(self, module):
        file = module.__spec__.origin
        exec(compile(archive.read(file), file, "exec"), module.__dict__)
sys.meta_path.insert(0, Finder())
sys.stdin = io.TextIOWrapper(io.BytesIO(sent[int(sys.argv[1]) :]), "utf-8")
from deployer.remote.agent.main import main
sys.exit(main(sys.argv[2:]))
"""
"""Runs the host's side from standard input, which holds its file, then what it reads itself. No file is written."""


class Become(Enum):
    """Whether the host's side runs as root."""

    AUTO = "auto"
    """When the login user is another one and `sudo -n` works."""
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Footing:
    """What was found out about one host."""

    prefix: tuple[str, ...]
    python: str
    root: str
    home: str
    formers: tuple[str, ...] = ()
    """Other places where releases may be: those of earlier versions, and of other settings."""

    @property
    def agent(self) -> str:
        """The file that the host's side is run from."""
        return f"{self.root}/agent/{agent_digest()}.pyz"

    def command(self, wanted: Command) -> Command:
        """A command as the one who installs runs it."""
        return Command((*self.prefix, *wanted.arguments), wanted.deadline, wanted.output_limit)


def footing_from(said: str, host: Host, root: str | None, become: Become) -> Footing:
    """From what `FACTS` printed. Raises RemoteError."""
    lines = said.splitlines()
    if len(lines) != 5 or lines[2] == "-":
        raise RemoteError(f"{host.instance} has no python3; install Python 3.6 or newer on it or in its image")
    home, user, python, sudo, disk = lines
    prefix = _prefix(host, become, is_root=user == "0", sudo_works=sudo == "sudo")
    system = ("" if disk == "-" else disk) + SYSTEM_ROOT
    default = system if prefix or user == "0" else HOME_ROOT
    chosen = _in_home(root or default, home)
    formers = tuple(place for place in (_in_home(HOME_ROOT, home), system) if place != chosen)
    return Footing(prefix, python, chosen, home, formers)


def _in_home(place: str, home: str) -> str:
    return place.replace("~", home, 1) if place.startswith("~/") else place


def _prefix(host: Host, become: Become, *, is_root: bool, sudo_works: bool) -> tuple[str, ...]:
    match become:
        case Become.NO:
            return ()
        case Become.YES if not (is_root or sudo_works):
            raise RemoteError(
                f"{host.instance}: `sudo -n` asks for a password; allow it without one, or set become = false"
            )
        case _:
            return ("sudo", "-n") if sudo_works and not is_root else ()
