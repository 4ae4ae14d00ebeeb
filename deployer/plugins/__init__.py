"""Plugins: found, typed from their annotations, and made. One way for strategies, hooks and gates.

`family` says what kinds of plugin there are, `loader` finds a class, `annotations` and `blueprint` tell what it
takes as settings, `source` does so for a file without running it, `factory` makes the plugin. `uses` lists those
that a fleet's settings name, `strategies` makes one from a pinned plan.
"""
