"""The miniature AWS on one machine: real processes, a real proxy, real SSH behind real AWS API calls."""
