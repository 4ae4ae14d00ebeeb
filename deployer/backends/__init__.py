"""Backends: who carries a rollout out. `native` is our own loop; others hand the work to AWS."""
