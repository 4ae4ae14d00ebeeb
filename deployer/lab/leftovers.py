"""What a killed lab may leave behind, found by its mark and by nothing else."""

from __future__ import annotations

import os

import psutil

from deployer.lab.machines.processes import carries


def end_marked(mark: str, value: str) -> int:
    """SIGKILL to every process of this user whose environment holds `mark=value`; returns how many there were."""
    ended = 0
    for _ in range(50):
        left = [process for process in psutil.process_iter() if _carries(process, mark, value)]
        if not left:
            break
        ended += len(left)
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=1)
    return ended


def _carries(process: psutil.Process, mark: str, value: str) -> bool:
    return process.pid != os.getpid() and carries(process.pid, mark, value)
