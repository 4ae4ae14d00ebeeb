"""Commands: one file a command or small family. They read options, call a backend and print; no decisions."""
