"""Rolls a new release onto EC2 instances behind load balancers without anyone noticing."""

__version__ = "0.1.0"
