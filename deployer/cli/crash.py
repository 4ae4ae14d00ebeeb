"""What is left of an error that nobody expected: a file with the details, for the one who mends it."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from deployer.secrets.masking import mask


def printable(text: str) -> str:
    """`text` with every character that a terminal would obey written out; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def no_room(error: Exception) -> bool:
    """Whether a disk or a quota is used up: nothing of the program's is wrong, and no details are needed."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def details(error: BaseException) -> str:
    """The error's trace without the secrets that its messages may hold."""
    return mask("".join(traceback.format_exception(error)))


def keep_details(error: Exception, environment: Mapping[str, str]) -> Path | None:
    """Writes the trace to a file of the user's own and returns its path; None when it cannot be written.

    A trace holds code and messages; what is secret in the messages is masked.
    """
    base = environment.get("XDG_STATE_HOME") or str(
        Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    )
    folder = Path(base) / "deployer" / "errors"
    path = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(details(error))
    except OSError:
        return None
    return path
