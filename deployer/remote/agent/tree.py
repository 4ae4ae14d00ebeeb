"""A bundle as it is installed from: its folder on this host, or only the list of what is in it."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

FOLDER, FILE, LINK = "folder", "file", "link"


class OnDisk:
    """An unpacked bundle."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle

    def kind(self, name: str) -> Optional[str]:
        """What is there by that name; None for nothing."""
        path = self._bundle / name
        if path.is_symlink():
            return LINK
        if path.is_dir():
            return FOLDER
        return FILE if path.exists() else None

    def children(self, name: str) -> List[str]:
        """The names in a folder, in their order."""
        return sorted(entry.name for entry in (self._bundle / name).iterdir())

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return 0 if self.kind(name) == LINK else (self._bundle / name).stat().st_size


class Listed:
    """A bundle that is not here yet, as path, kind and size of everything in it."""

    def __init__(self, entries: Sequence[Sequence[object]]) -> None:
        self._kinds: Dict[str, Tuple[str, int]] = {"": (FOLDER, 0)}
        self._children: Dict[str, List[str]] = {"": []}
        for path, kind, size in entries:
            self._kinds[str(path)] = (str(kind), int(str(size)))
            folder, _, own = str(path).rpartition("/")
            self._children.setdefault(folder, []).append(own)

    def kind(self, name: str) -> Optional[str]:
        """What is there by that name; None for nothing."""
        return self._kinds.get(name, (None, 0))[0]

    def children(self, name: str) -> List[str]:
        """The names in a folder, in their order."""
        return sorted(self._children.get(name, []))

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._kinds.get(name, ("", 0))[1]
