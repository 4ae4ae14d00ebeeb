"""How a machine's paths lie on the lab's disk, links included."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import PurePosixPath

_MOST_LINKS = 40


@dataclass(frozen=True)
class View:
    """A machine's paths: `root` is its disk; without walls the machine's paths are the host's."""

    root: str
    walls: bool
    home: str

    def local(self, path: str, follow: bool = True) -> str:
        """Where `path` lies on the host; a link is followed as the machine would follow it.

        Raises PermissionError for a path outside the disk, OSError (ELOOP) for too many links.
        """
        absolute = str(PurePosixPath(self.home, path))
        if not self.walls:
            return self._inside(os.path.normpath(absolute))
        return self.root + self._resolve(absolute, follow)

    def _inside(self, path: str) -> str:
        if path != self.root and not path.startswith(self.root + "/"):
            reason = "not on the machine's disk; this lab has no private roots, so use paths below $HOME"
            raise PermissionError(errno.EACCES, reason, path)
        return path

    def _resolve(self, path: str, follow: bool) -> str:
        """`path` without links and `..`, as seen from inside."""
        todo = [part for part in reversed(path.split("/")) if part not in {"", "."}]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = self.root + "/" + "/".join([*done, part])
            if (todo or follow) and os.path.islink(here):  # noqa: PTH114
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(here)  # noqa: PTH115
                done = [] if target.startswith("/") else done
                todo.extend(step for step in reversed(target.split("/")) if step not in {"", "."})
                continue
            done.append(part)
        return "/" + "/".join(done)

    def inside(self, path: str) -> str:
        """`path` as the machine names it, with every link followed."""
        absolute = str(PurePosixPath(self.home, path))
        return self._resolve(absolute, follow=True) if self.walls else os.path.realpath(absolute)
