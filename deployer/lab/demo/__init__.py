"""The demo: a lab, a fleet under load, one rollout through the public command line, and a verdict.

`options` what was asked for, `commands` the command lines that it comes to, `children` the processes and
their signals, `story` what happens in which order, `verdict` what it proved.
"""
