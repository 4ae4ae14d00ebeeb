"""Whatever the bytes are, reading them ends in an AppSpec or in problems with a line, and never in an exception."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.remote.appspec.parser import Reading, read_appspec

SEEDS = [path.read_bytes() for path in sorted((Path(__file__).parent / "appspec_probes").glob("*.yml"))]
KEYS = st.sampled_from(
    [
        *(
            "version",
            "os",
            "files",
            "file_exists_behavior",
            "permissions",
            "hooks",
            "source",
            "destination",
            "object",
        ),
        *("pattern", "except", "owner", "group", "mode", "acls", "context", "type", "range", "name", "user"),
        *("location", "timeout", "runas", "sudo", "AfterInstall", "Resources", "<<"),
    ]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.binary(max_size=6),
    st.sampled_from([0.0, "linux", "windows", "0755", "u:bob:rw", "s0:c1", "a.sh", "30s"]),
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


def check(reading: Reading) -> None:
    assert (reading.spec is None) == bool(reading.errors)
    for problem in reading.problems:
        assert problem.line >= 1
        assert problem.text
        assert problem.cure


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_read_without_an_exception(data: bytes) -> None:
    check(read_appspec(data))


@given(TREES)
@settings(max_examples=300)
def test_any_yaml_tree_is_read_without_an_exception(tree: object) -> None:
    check(read_appspec(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")))


@given(st.dictionaries(KEYS, TREES, max_size=6))
@settings(max_examples=300)
def test_any_appspec_with_a_good_head_is_read_without_an_exception(sections: dict[str, object]) -> None:
    tree = {"version": 0.0, "os": "linux", **sections}
    check(read_appspec(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")))


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=400)
def test_a_damaged_appspec_is_read_without_an_exception(seed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        change = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"&a ", b"*a", b"!x ", b"- ", b": ", b"{", b"|\n"])
        )
        damaged[position : position + data.draw(st.integers(0, 2))] = change
    check(read_appspec(bytes(damaged)))
