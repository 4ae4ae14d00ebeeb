"""Which machine this is, without a network call."""

import os
import socket
from pathlib import Path

CLOUD_INIT = Path("/var/lib/cloud/data/instance-id")


def instance_id() -> str:
    """`INSTANCE_ID` from the environment, else what cloud-init wrote down, else the host's name."""
    given = os.environ.get("INSTANCE_ID")
    if given:
        return given
    try:
        return CLOUD_INIT.read_text().strip()
    except OSError:
        return socket.gethostname()
