"""What every answer says of the host that gave it."""

import os
import socket
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse

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


RELEASE = (settings.HOME / "VERSION").read_text().strip()
INSTANCE = instance_id()


def this_host(_request) -> dict:
    """For templates."""
    return {"release": RELEASE, "instance": INSTANCE}


class ThisHost:
    """Answers the health check, and names release and instance in every response.

    First of all, because a balancer calls a host by its address, which is none of ALLOWED_HOSTS. The check is
    about this process alone: one that asked the database too would have every host of the fleet fail at once
    when that is down, and make an outage of what may be a slow page.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":
            response = HttpResponse("ok\n", content_type="text/plain")
        else:
            response = self.get_response(request)
        response.headers["X-Release"] = RELEASE
        response.headers["X-Instance"] = INSTANCE
        return response
