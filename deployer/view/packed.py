"""What a bundle holds, for `deployer plan`: in two lines, or whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.model.hosts import LeftOut, PackedFiles

_SHOWN = 5
_UNITS = ("KB", "MB", "GB")


def packed_lines(packed: PackedFiles | None) -> Iterator[tuple[str, str]]:
    """How much is packed, the largest files, and what was left out, each with its title."""
    if packed is None:
        return
    largest = ", ".join(f"{name} ({amount(size)})" for name, size in packed.largest(_SHOWN))
    yield "packed", f"{len(packed.files)} files, {amount(packed.total)}; largest: {largest or 'none'}"
    yield "left out", _left_out(packed.left_out)


def every_file(packed: PackedFiles | None) -> Iterator[str]:
    """Every file that is packed, and every path that is not, a line each."""
    if packed is None:
        return
    for name, size in packed.files:
        yield f"+ {name} ({amount(size)})"
    for one in packed.left_out:
        yield f"- {one.path} ({one.by})"


def packed_document(packed: PackedFiles | None) -> dict[str, object] | None:
    """The same for machines; sizes are in bytes."""
    if packed is None:
        return None
    return {
        "bytes": packed.total,
        "files": [{"path": name, "bytes": size} for name, size in packed.files],
        "left_out": [{"path": one.path, "by": one.by} for one in packed.left_out],
    }


def amount(size: int) -> str:
    """A number of bytes for people."""
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def _left_out(paths: Sequence[LeftOut]) -> str:
    shown = ", ".join(f"{one.path} ({one.by})" for one in paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
