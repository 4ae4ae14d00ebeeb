"""SFTP on a machine, version 3 (draft-ietf-secsh-filexfer-02): a process of the login user, as sshd starts it.

It is on the machine, so its paths, rights and owners are the user's own. It starts with nothing but the standard
library.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Iterator

SPOKEN = 3
_LONGEST_PACKET = 256 * 1024
_LONGEST_READ = 128 * 1024
_NAMES_AT_ONCE = 100


class Asked:
    """The kinds of requests (section 3 of the draft); no Enum, which takes longer to load than all the rest."""

    INIT, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = 1, 3, 4, 5, 6, 7, 8, 9, 10
    OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH = 11, 12, 13, 14, 15, 16
    STAT, RENAME, READLINK, SYMLINK = 17, 18, 19, 20
    EXTENDED = 200


_OK, _EOF, _NO_SUCH_FILE, _DENIED, _FAILURE, _BAD_MESSAGE, _UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS = 2, 101, 102, 103, 104, 105
_SIZE, _IDS, _MODE, _TIMES = 1, 2, 4, 8
_READ, _WRITE, _APPEND, _CREATE, _TRUNCATE, _EXCLUSIVE = 1, 2, 4, 8, 16, 32
_EXTENSIONS = (("posix-rename@openssh.com", "1"), ("hardlink@openssh.com", "1"), ("fsync@openssh.com", "1"))


class Fields:
    """Reads a packet's fields one after the other. Raises ValueError when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if self._at + count > len(self._data):
            raise ValueError("the packet is too short")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """uint32."""
        return int.from_bytes(self.take(4), "big")

    def long(self) -> int:
        """uint64."""
        return int.from_bytes(self.take(8), "big")

    def text(self) -> bytes:
        """A string: its length, then its bytes."""
        return self.take(self.number())

    def path(self) -> bytes:
        """A path; an empty one is where the session began."""
        return self.text() or b"."


class Attributes:
    """What a packet wants a file to be."""

    def __init__(self, fields: Fields) -> None:
        flags = fields.number()
        self.size = fields.long() if flags & _SIZE else None
        self.ids = (fields.number(), fields.number()) if flags & _IDS else None
        self.mode = fields.number() if flags & _MODE else None
        self.times = (fields.number(), fields.number()) if flags & _TIMES else None

    def put_on(self, file: bytes | int) -> None:
        """Changes the file. Raises OSError."""
        if self.size is not None:
            os.truncate(file, self.size)
        if self.ids is not None:
            os.chown(file, *self.ids)
        if self.mode is not None:
            os.chmod(file, stat.S_IMODE(self.mode))  # noqa: PTH101 - may be a descriptor
        if self.times is not None:
            os.utime(file, self.times)


def text(value: bytes) -> bytes:
    """A string as the wire has it."""
    return struct.pack(">I", len(value)) + value


def attributes(found: os.stat_result) -> bytes:
    """A file's attributes as the wire has them."""
    words = (found.st_uid, found.st_gid, found.st_mode, int(found.st_atime), int(found.st_mtime))
    return struct.pack(
        ">IQ5I", _SIZE | _IDS | _MODE | _TIMES, found.st_size, *(word & 0xFFFFFFFF for word in words)
    )


def _long_name(name: bytes, found: os.stat_result) -> bytes:
    when = time.strftime("%b %d %H:%M", time.localtime(found.st_mtime))
    words = (
        f"{stat.filemode(found.st_mode)} {found.st_nlink:3} {found.st_uid:<8} {found.st_gid:<8} {found.st_size:8} "
    )
    return f"{words}{when} ".encode() + name


class Listing:
    """A folder that is being read, some names at a time."""

    def __init__(self, folder: bytes) -> None:
        self._folder = folder
        self._left = iter([b".", b"..", *os.listdir(folder)])  # noqa: PTH208 - bytes

    def next(self) -> list[tuple[bytes, os.stat_result]]:
        """The next names; none when there are no more."""
        found: list[tuple[bytes, os.stat_result]] = []
        for name in self._left:
            try:
                found.append((name, os.lstat(self._folder + b"/" + name)))
            except FileNotFoundError:
                continue
            if len(found) == _NAMES_AT_ONCE:
                break
        return found


class Session:
    """One connection: its open files and folders, and what each request does."""

    def __init__(self) -> None:
        self._open: dict[bytes, int | Listing] = {}
        self._numbers = iter(range(1, 1 << 62))

    def answer(self, packet: bytes) -> bytes:
        """The answer to one request, without its length."""
        kind, fields = packet[0], Fields(packet[1:])
        if kind == Asked.INIT:
            told = b"".join(text(name.encode()) + text(value.encode()) for name, value in _EXTENSIONS)
            return bytes([_VERSION]) + struct.pack(">I", SPOKEN) + told
        request = fields.take(4)
        try:
            reply, body = self._do(kind, fields)
        except OSError as trouble:
            reply, body = _STATUS, _status(_code(trouble), trouble.strerror or str(trouble))
        except (ValueError, KeyError, OverflowError) as trouble:
            reply, body = _STATUS, _status(_BAD_MESSAGE, str(trouble))
        return bytes([reply]) + request + body

    def close(self) -> None:
        """Lets go of everything."""
        for handle in list(self._open):
            self._close(handle)

    def _do(self, kind: int, fields: Fields) -> tuple[int, bytes]:
        match kind:
            case (
                Asked.OPEN
                | Asked.CLOSE
                | Asked.READ
                | Asked.WRITE
                | Asked.FSTAT
                | Asked.FSETSTAT
                | Asked.OPENDIR
                | Asked.READDIR
            ):
                return self._with_handles(kind, fields)
            case Asked.LSTAT | Asked.STAT:
                found = os.lstat(fields.path()) if kind == Asked.LSTAT else os.stat(fields.path())  # noqa: PTH116 - bytes
                return _ATTRS, attributes(found)
            case Asked.REALPATH:
                return _NAME, _one_name(os.path.realpath(fields.path()))
            case Asked.READLINK:
                return _NAME, _one_name(os.readlink(fields.path()))  # noqa: PTH115 - bytes
            case Asked.EXTENDED:
                return self._extended(fields.text(), fields)
            case _:
                return _STATUS, _change(kind, fields)

    def _with_handles(self, kind: int, fields: Fields) -> tuple[int, bytes]:
        match kind:
            case Asked.OPEN:
                return _HANDLE, text(self._keep(_open_file(fields)))
            case Asked.OPENDIR:
                return _HANDLE, text(self._keep(Listing(fields.path())))
            case Asked.CLOSE:
                self._close(fields.text())
                return _STATUS, _status(_OK)
            case Asked.READDIR:
                names = self._folder(fields.text()).next()
                return (_NAME, _names(names)) if names else (_STATUS, _status(_EOF, "no more names"))
        file = self._file(fields.text())
        match kind:
            case Asked.READ:
                place, count = fields.long(), fields.number()
                data = os.pread(file, min(count, _LONGEST_READ), place)
                return (_DATA, text(data)) if data or not count else (_STATUS, _status(_EOF, "end of file"))
            case Asked.WRITE:
                _write(file, fields.long(), fields.text())
            case Asked.FSTAT:
                return _ATTRS, attributes(os.fstat(file))
            case _:
                Attributes(fields).put_on(file)
        return _STATUS, _status(_OK)

    def _extended(self, name: bytes, fields: Fields) -> tuple[int, bytes]:
        match name:
            case b"posix-rename@openssh.com":
                os.replace(fields.path(), fields.path())  # noqa: PTH105 - bytes
            case b"hardlink@openssh.com":
                os.link(fields.path(), fields.path())
            case b"fsync@openssh.com":
                os.fsync(self._file(fields.text()))
            case _:
                return _STATUS, _status(_UNSUPPORTED, "unknown extension")
        return _STATUS, _status(_OK)

    def _keep(self, thing: int | Listing) -> bytes:
        handle = b"%d" % next(self._numbers)
        self._open[handle] = thing
        return handle

    def _file(self, handle: bytes) -> int:
        found = self._open.get(handle)
        if not isinstance(found, int):
            raise ValueError("no such handle of a file")
        return found

    def _folder(self, handle: bytes) -> Listing:
        found = self._open.get(handle)
        if not isinstance(found, Listing):
            raise ValueError("no such handle of a folder")
        return found

    def _close(self, handle: bytes) -> None:
        found = self._open.pop(handle)
        if isinstance(found, int):
            os.close(found)


def _open_file(fields: Fields) -> int:
    path, wanted = fields.path(), fields.number()
    asked = Attributes(fields)
    flags = {_READ: os.O_RDONLY, _WRITE: os.O_WRONLY}.get(wanted & (_READ | _WRITE), os.O_RDWR)
    pairs = ((_APPEND, os.O_APPEND), (_CREATE, os.O_CREAT), (_TRUNCATE, os.O_TRUNC), (_EXCLUSIVE, os.O_EXCL))
    flags |= sum(flag for held, flag in pairs if wanted & held)
    mode = 0o666 if asked.mode is None else stat.S_IMODE(asked.mode)
    return os.open(path, flags | os.O_CLOEXEC, mode)


def _write(file: int, place: int, data: bytes) -> None:
    while data:
        written = os.pwrite(file, data, place)
        place, data = place + written, data[written:]


def _change(kind: int, fields: Fields) -> bytes:
    """What only changes the disk."""
    match kind:
        case Asked.SETSTAT:
            path = fields.path()
            Attributes(fields).put_on(path)
        case Asked.REMOVE:
            os.unlink(fields.path())  # noqa: PTH108 - bytes
        case Asked.MKDIR:
            path, asked = fields.path(), Attributes(fields)
            os.mkdir(path, 0o777 if asked.mode is None else stat.S_IMODE(asked.mode))  # noqa: PTH102 - bytes
        case Asked.RMDIR:
            os.rmdir(fields.path())  # noqa: PTH106 - bytes
        case Asked.RENAME:
            old, new = fields.path(), fields.path()
            if os.path.lexists(new):
                return _status(_FAILURE, "the target is there already")
            os.rename(old, new)  # noqa: PTH104 - bytes
        case Asked.SYMLINK:
            # OpenSSH's order, which every client has followed since: the link's text first.
            os.symlink(fields.text(), fields.path())  # noqa: PTH211 - bytes
        case _:
            return _status(_UNSUPPORTED, "unknown request")
    return _status(_OK)


def _status(code: int, reason: str = "") -> bytes:
    return struct.pack(">I", code) + text(reason.encode()) + text(b"")


def _code(trouble: OSError) -> int:
    match trouble.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ELOOP:
            return _NO_SUCH_FILE
        case errno.EPERM | errno.EACCES:
            return _DENIED
        case _:
            return _FAILURE


def _one_name(name: bytes) -> bytes:
    return struct.pack(">I", 1) + text(name) * 2 + struct.pack(">I", 0)


def _names(found: list[tuple[bytes, os.stat_result]]) -> bytes:
    entries = [text(name) + text(_long_name(name, status)) + attributes(status) for name, status in found]
    return struct.pack(">I", len(entries)) + b"".join(entries)


def _packets(source: int) -> Iterator[bytes]:
    """The requests as they come, until the other side ends."""
    waiting = b""
    while True:
        while len(waiting) >= 4 and len(waiting) >= 4 + (length := int.from_bytes(waiting[:4], "big")):
            yield waiting[4 : 4 + length]
            waiting = waiting[4 + length :]
        if len(waiting) >= 4 and int.from_bytes(waiting[:4], "big") > _LONGEST_PACKET:
            return
        data = os.read(source, _LONGEST_PACKET)
        if not data:
            return
        waiting += data


def serve(source: int, target: int) -> int:
    """Answers until the client ends; returns the exit code."""
    session = Session()
    try:
        for packet in _packets(source):
            if not packet:
                return 1
            answer = session.answer(packet)
            data = struct.pack(">I", len(answer)) + answer
            while data:
                data = data[os.write(target, data) :]
    except BrokenPipeError:
        return 1
    finally:
        session.close()
    return 0
