"""Machines: what an EC2 instance is in the lab.

A machine is a small init process with everything it started, an address of its own on loopback and a
folder as its disk. Two layers:

- in the lab's process: `room` (the contract's `MachineRoom`), `machine` (one machine's handle), `disk`
  (what a disk must hold before it can boot);
- on the machine: `init` (process 1: boot, services, commands), started by `forkserver`, behind `walls`.

The walls are Linux user, mount and process namespaces, which need no privilege. Behind them the disk
folder *is* `/`, so that a bundle finds `/opt` and `/etc` as on EC2 and cannot touch the host's; and when
the init goes, the kernel ends everything on the machine. There is no mode without them: a machine's
commands would then be commands on the user's own computer.
"""
