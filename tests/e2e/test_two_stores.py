"""Two operators of one fleet whose state stores are not the same: the second is refused, or the first stops."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.lab import IN_PLACE, TestLab, all_new, load

pytestmark = pytest.mark.lab


def with_a_store_of_its_own(fleet: TestLab, folder: Path) -> Path:
    folder.mkdir()
    text = (fleet.folder / "deployer.toml").read_text()
    other = re.sub(r"(?m)^path *=.*$", f'path = "{folder / "state"}"', text)
    assert other != text
    (folder / "deployer.toml").write_text(other)
    return folder


def test_the_second_of_two_operators_is_refused_and_who_unlocks_stops_the_first(
    fleet: TestLab, tmp_path: Path
) -> None:
    elsewhere = with_a_store_of_its_own(fleet, tmp_path / "elsewhere")
    with load(fleet) as requests:
        first = fleet.start(*IN_PLACE)
        fleet.wait_for(first, "move=drain")
        for command in (IN_PLACE, ("rollback", "--to", "1", "--output", "json")):
            second = fleet.run(*command, folder=elsewhere)
            assert second.code == 4, second.err
            assert re.search(r"claimed by rollout \S+ of \S+@\S+, begun with \d+ instance", second.err), second.err

        assert fleet.run("unlock", "--yes", folder=elsewhere).code == 0
        stopped = fleet.finish(first)
        assert stopped.code == 4, stopped.err
        assert "nothing more is changed here" in stopped.err

        gone_on = fleet.run("resume", "--output", "json")
        all_new(fleet, gone_on)
        again = fleet.run(*IN_PLACE, folder=elsewhere)
    assert again.code == 0, again.err
    assert again.document["status"] == "nothing_to_do"
    assert requests["failed"] == 0
