"""The loop: observe, decide, guard, act. Everything outside is known by the protocols in `ports`."""
