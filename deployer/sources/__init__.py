"""The ways to the sources of work that are no balancers: how many jobs a worker has, and how its queues stand.

What that means for a rollout is for `deployer.model.sources` to judge.
"""
