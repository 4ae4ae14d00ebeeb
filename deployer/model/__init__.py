"""Words of the domain as values: fleets, instances, releases, capacity, moves. No I/O anywhere below."""
