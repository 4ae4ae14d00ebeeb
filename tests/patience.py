"""How long tests wait for what has to come."""

from __future__ import annotations

PATIENCE = 600.0
"""Seconds. Only a hang reaches it, however slow the machine is; a wait ends as soon as what it is for is there."""
