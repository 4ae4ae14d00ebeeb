"""The process's outlets: standard output, standard error and log records, none of which lets a secret through."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO, cast

from deployer.secrets.known import KNOWN, know_environment
from deployer.secrets.masking import mask


class MaskedStream:
    """A text stream whose writes are masked; everything else is that of the stream beneath."""

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def write(self, text: str) -> int:
        """Writes the text without secrets; returns the length that was given, as `write` does."""
        self.beneath.write(mask(text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Writes the lines together: a key in armour goes over several."""
        self.write("".join(lines))

    @property
    def buffer(self) -> _MaskedBytes:
        """The binary stream: UTF-8 that is masked too."""
        return _MaskedBytes(self.beneath.buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


class _MaskedBytes:
    def __init__(self, beneath: Any) -> None:
        self._beneath = beneath

    def write(self, data: bytes) -> int:
        self._beneath.write(mask(bytes(data).decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)


def unmasked(stream: TextIO) -> TextIO:
    """The stream beneath: for what is masked already, and for secrets that are asked for, as those of a lab are."""
    return cast(TextIO, getattr(stream, "beneath", stream))


class _MaskedRecord(logging.LogRecord):
    """A log record of any library, whichever handler writes it: message and trace without secrets."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self.exc_info and self.exc_info[0] is not None:
            # A formatter takes the text that is there already.
            self.exc_text = mask(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802 - the name is logging's
        return mask(super().getMessage())


@contextlib.contextmanager
def guarded(environment: Mapping[str, str]) -> Iterator[None]:
    """Within it nothing leaves the process with a secret: not those of `environment`, nor any that is learnt."""
    factory = logging.getLogRecordFactory()
    out, err = (cast(TextIO, MaskedStream(stream)) for stream in (sys.stdout, sys.stderr))
    logging.setLogRecordFactory(_MaskedRecord)
    try:
        with KNOWN.until_the_end(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            know_environment(environment)
            yield
    finally:
        logging.setLogRecordFactory(factory)
