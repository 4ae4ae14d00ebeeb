"""The only door to hosts: SSH, bundles and AppSpec files."""
