"""Secrets: what this process was handed and what looks like one, masked before every outlet."""
