"""How a machine's paths lie on the lab's disk, links included."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import PurePosixPath

_MOST_LINKS = 40


@dataclass(frozen=True)
class View:
    """A machine's paths: `root` is its disk, `home` what relative paths start from."""

    root: str
    home: str

    def local(self, path: str, follow: bool = True) -> str:
        """Where `path` lies on the host; a link is followed as the machine would follow it.

        Raises OSError (ELOOP) for too many links.
        """
        return self.root + self._resolve(str(PurePosixPath(self.home, path)), follow)

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
        return self._resolve(str(PurePosixPath(self.home, path)), follow=True)
