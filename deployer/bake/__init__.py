"""Images from snapshots of a built instance: find, build, check, clean, snapshot, register."""
