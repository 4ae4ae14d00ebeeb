"""Hooks and gates: what a user hangs into a rollout, and what has to agree before it goes on."""
