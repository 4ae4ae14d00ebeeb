"""The folder in which machines find the stand-ins: a launcher for each, and the modules that they are made of."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

from deployer.lab.machines import accounts, programs, sftp_server, standins, su, sudo
from deployer.lab.machines.processes import interpreter

_MODULES = (accounts, programs, sftp_server, standins, su, sudo)
_MAIN = "import sys\nfrom deployer.lab.machines.standins import main\nsys.exit(main(sys.argv[1:]))\n"


def install(folder: Path) -> Path:
    """Fills `folder`; it is the same for all machines. Returns it."""
    code = folder / "python"
    for module in _MODULES:
        target = code.joinpath(*module.__name__.split(".")).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(module.__file__), target)
    (code / "__main__.py").write_text(_MAIN)
    # Machines cannot write here, so each call would compile all of it again.
    compileall.compile_dir(str(code), quiet=2, stripdir=str(code))
    launcher = f'#!/bin/sh\nexec "{interpreter()}" -I -S "${{0%/*}}/python" "${{0##*/}}" "$@"\n'
    for name in standins.COMMANDS:
        path = folder / name
        path.write_text(launcher)
        path.chmod(0o755)
    return folder
