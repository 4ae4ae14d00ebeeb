"""What people and machines see of a rollout: the live tree, the log, the JSON document."""
