"""How gunicorn serves the shop; what each number is for is in examples/web/README.md."""

import os
import time
from pathlib import Path

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"

# Connections are kept open only by threads; the sync worker closes after every response.
worker_class = "gthread"
threads = 32
worker_connections = 1000

# Longer than the balancer's idle timeout (60 s), so that it is always the balancer who closes an
# idle connection. The other way round it may send a request at the very moment this side closes: a 502.
keepalive = 75

# SIGTERM: accept nothing new, finish what has begun, for at most this long.
graceful_timeout = 30
control_socket_disable = True

STARTED = time.time()
LAME_DUCK = Path(__file__).resolve().parent / "run" / "lame-duck"


def pre_request(worker, request):
    """Once the flag is up, says `Connection: close` in every response.

    This must be asked of gunicorn: it drops a Connection header that comes from the application.
    A flag older than this process is left over from an earlier life of the host and means nothing.
    """
    try:
        raised = LAME_DUCK.stat().st_mtime
    except FileNotFoundError:
        return
    if raised >= STARTED:
        request.force_close()
