"""The test kit for strategies: tries any strategy against every promise, in the twin, over random fleets."""

from deployer.testing.strategies import Trial, assert_safe, try_strategy

__all__ = ["Trial", "assert_safe", "try_strategy"]
