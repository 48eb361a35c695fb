"""The smallest application that `docker/gunicorn.conf.py` serves; it says which version of it answers."""

import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["VERSION"].encode()]
