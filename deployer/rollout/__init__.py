"""One run of one fleet, whatever backend carries it out: what it holds, plans, checks, asks and tells."""
