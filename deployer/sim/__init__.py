"""The deterministic twin: the engine against a simulated EC2 and its balancers, in virtual time, with faults.

Everything is drawn from one seed. The engine, its strategies, guard, journal and lease are the real ones; only
what they reach the outside by is replaced: the clock, the cloud, the hosts. After every event a witness holds
the promises against what really is the case in this world, not against what the engine believes.
"""
