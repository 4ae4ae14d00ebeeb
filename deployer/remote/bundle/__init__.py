"""Bundles: from a folder, an archive, S3 or git to one pinned archive that is safe to unpack."""
