"""Journals and leases: what was intended, and the right to change a fleet; in files, S3 or DynamoDB."""
