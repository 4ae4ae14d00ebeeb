"""Hooks and gates of a rollout: made from settings, run beside the loop and around it, told and journaled."""
