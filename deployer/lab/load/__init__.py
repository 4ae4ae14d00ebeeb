"""The load generator: an open loop of HTTP requests that never retries and never hides a loss.

It is plain asyncio because ready-made clients retry or quietly drop requests on kept connections, and
so report no failures where half of the requests were lost.
"""
