"""The lab's IAM."""
