"""Machines: what an EC2 instance is in the lab.

A machine is a small init process with everything it started, an address of its own on loopback and a
folder as its disk. Two layers:

- in the lab's process: `room` (the contract's `MachineRoom`), `machine` (one machine's handle), `disk`
  (what a disk must hold before it can boot);
- on the machine: `init` (process 1: boot, services, commands), started by `forkserver`, behind `walls`.

With walls (Linux user, mount and process namespaces, no privilege needed) the disk folder *is* the
machine's `/`, and when its init goes, the kernel ends everything on it. Without them, where the
system forbids such namespaces, a machine sees the host's files: `$ROOT` names its disk, `$HOME` lies on
it, and what was started is found again by its environment.
"""
