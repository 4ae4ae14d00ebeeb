"""The Auto Scaling group that a fleet lives in: what a rollout changes of it, and how that is put back."""
