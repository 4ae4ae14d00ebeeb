"""Whether the tests notice when a guard is missing: `python -m tests.mutants`."""
