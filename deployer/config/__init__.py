"""`deployer.toml` → frozen settings, with errors that name file, line and key."""
