"""IAM in the lab: every request of a user or a role is held against its policies, as AWS does it."""
