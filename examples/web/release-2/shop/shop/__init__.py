"""The shop: a small Flask site, as an example of one that can be replaced under load."""

import math
import os
import time
from datetime import datetime, timezone
from pathlib import Path

from flask import Flask, Response, abort, jsonify, render_template, request

from shop.catalogue import PRODUCTS
from shop.health import Health
from shop.identity import instance_id

HOME = Path(__file__).resolve().parent.parent
LONGEST_SLOW_ANSWER = 30.0


def create_app() -> Flask:
    """The WSGI application; it is ready for traffic when /healthz says so."""
    app = Flask(__name__)
    release = (HOME / "VERSION").read_text().strip()
    anonymous = (HOME / "ANONYMOUS").exists()
    instance = instance_id()
    health = Health(warm_up=float(os.environ.get("WARM_UP", "0.5")), fault_file=HOME / "FAULT")

    @app.before_request
    def refuse_while_sick() -> None:
        if request.endpoint != "healthz":
            health.note_traffic()
            if health.sick():
                abort(500, "this release is sick")

    @app.after_request
    def name_the_release(response: Response) -> Response:
        if not anonymous:
            response.headers["X-Release"] = release
        response.headers["X-Instance"] = instance
        return response

    @app.get("/")
    def index() -> str:
        return render_template("index.html", release=release, instance=instance, products=PRODUCTS)

    @app.get("/products/<key>")
    def product(key: str) -> str:
        if key not in PRODUCTS:
            abort(404, "the shop has no such product")
        return render_template("product.html", release=release, instance=instance, product=PRODUCTS[key])

    @app.get("/api/time")
    def api_time() -> Response:
        return jsonify(time=datetime.now(timezone.utc).isoformat(), release=release)

    @app.get("/slow")
    def slow() -> Response:
        seconds = request.args.get("seconds", default=1.0, type=float)
        if not (math.isfinite(seconds) and 0 <= seconds <= LONGEST_SLOW_ANSWER):
            abort(400, f"seconds must be between 0 and {LONGEST_SLOW_ANSWER:g}")
        time.sleep(seconds)
        return jsonify(slept=seconds, release=release)

    @app.get("/healthz")
    def healthz() -> tuple[str, int]:
        status, reason = health.check()
        return reason + "\n", status

    return app
