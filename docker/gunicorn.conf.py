"""How gunicorn serves a process of the topology; addresses, workers and threads come from the command line.

Threads, because requests wait for PostgreSQL more than they compute. Measured on 2 cores: 4 to 8 threads with
keep-alive need the least CPU per request of the worker kinds that work with psycopg2.
"""

import contextlib
import gc
import os
import shutil
import socket

from gunicorn.workers import gthread

# How long a stopping worker answers on connections that are kept: whoever is busy learns within it that they close.
gthread.STOP_KEEPALIVE_LINGER = 0.5

worker_class = "gthread"
threads = 8
preload_app = True  # imported once, not by each worker; connections are opened after the fork, when first used
keepalive = 75  # longer than the idle time of load balancers, so that they close first
timeout = 60
graceful_timeout = 20  # a request has at most 15 s; whoever can't wait kills the group
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # it would lie in the home folder, where several services fight for it
max_requests = 0
forwarded_allow_ips = ""  # the application trusts as many proxies as SEGUE_TRUSTED_PROXIES says, none by default
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

if metrics := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    if "SEGUE_IS_SUCCESSOR" not in os.environ:  # the figures of a former start are nobody's
        shutil.rmtree(metrics, ignore_errors=True)
    os.makedirs(metrics, exist_ok=True)


def when_ready(server):
    """Make ready what the workers, which are forked next, share.

    Frozen, because a full collection of garbage in a worker would write to every object, and so copy it.
    """
    runtime = getattr(server.app.callable, "extensions", {}).get("segue")
    if hasattr(runtime, "warm"):
        runtime.warm()
    gc.collect()
    gc.freeze()


def post_worker_init(worker):
    """Start what runs beside requests, once per worker: threads don't survive the fork of the master.

    Where `app.host.holder` replaces a predecessor, say that this worker can serve, and wait until it may.
    """
    if "SEGUE_READY_FD" in os.environ:
        with contextlib.suppress(OSError):
            os.write(int(os.environ["SEGUE_READY_FD"]), b".")
        with socket.socket(fileno=os.dup(int(os.environ["SEGUE_GATE_FD"]))) as gate:
            if not gate.recv(1, socket.MSG_PEEK):
                os._exit(0)  # the gate never opened: another goes on in this one's place
    runtime = getattr(worker.app.callable, "extensions", {}).get("segue")
    if hasattr(runtime, "start_followers"):
        runtime.start_followers()


def worker_exit(server, worker):
    runtime = getattr(getattr(worker.app, "callable", None), "extensions", {}).get("segue")
    if hasattr(runtime, "stop_followers"):
        runtime.stop_followers()


def child_exit(server, worker):
    """Forget the gauges of a worker that is gone; its counters stay."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
