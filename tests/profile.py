"""How hypothesis runs here: no test fails because the machine is slow."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import HealthCheck, settings


def profile(environment: Mapping[str, str]) -> settings:
    """The profile of every property test; a test sets nothing but its number of examples and steps.

    An example may take any time, and so may drawing one. In CI (`CI` is set, as GitHub, GitLab and most others do)
    the examples are the same at every run, so that a change is never refused for what another one did; elsewhere
    they differ, and what is found is kept in `.hypothesis`.
    """
    return settings(
        deadline=None,
        derandomize=bool(environment.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
