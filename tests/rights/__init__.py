"""Rollouts in the lab under the policy that `deployer iam-policy` prints, and what its parts are needed for."""
