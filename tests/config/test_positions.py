"""The scanner agrees with tomllib on which keys there are, and tells the line of each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest

from deployer.config.positions import Path, key_lines

DOCUMENT = '''\
# a comment with [brackets] and = signs
title = "a = [b] # no comment"

[fleet.web]
find = { tags = { Service = "shop", "Role name" = 'we"b' } } # inline
balancers = [
  "one", # first
  "two",
]
health.port = 8080
"quoted \\"key\\"".x = 1

[fleet.web.rollout]
batch = [1, "10%",
  "50%"]
text = """
[not.a.table]
key = "no key"
"""
raw = \'\'\'
it's = 'fine'
\'\'\'

[[fleet.web.hooks]]
at = "x"
[[fleet.web.hooks]]
at = "y"
[fleet.web.hooks.settings]
deep = 1979-05-27T07:32:00Z

[ spaced . "out" ]
number = -1_000.5e3
'''


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))


def test_every_key_that_tomllib_reads_has_a_line_and_no_other_has() -> None:
    assert set(key_lines(DOCUMENT)) == set(_paths(tomllib.loads(DOCUMENT)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("title",), "title ="),
        (("fleet", "web"), "[fleet.web]"),
        (("fleet", "web", "find", "tags", "Role name"), "find ="),
        (("fleet", "web", "balancers", 1), '"two"'),
        (("fleet", "web", "health", "port"), "health.port"),
        (("fleet", "web", 'quoted "key"', "x"), '"quoted'),
        (("fleet", "web", "rollout", "batch", 2), '"50%"'),
        (("fleet", "web", "rollout", "raw"), "raw ="),
        (("fleet", "web", "hooks", 1, "at"), 'at = "y"'),
        (("fleet", "web", "hooks", 1, "settings", "deep"), "deep ="),
        (("spaced", "out", "number"), "number ="),
    ],
)
def test_the_line_is_the_one_on_which_the_key_stands(path: Path, text: str) -> None:
    line = DOCUMENT.splitlines()[key_lines(DOCUMENT)[path] - 1]
    assert line.lstrip().startswith(text)
