"""SSH to the machines: one server for each, all in the lab's event loop."""
