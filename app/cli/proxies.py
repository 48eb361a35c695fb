"""Configuration of HAProxy or nginx from a topology: in front of the replicas of each process.

Behind a proxy the callers' topology names one address per process, the proxy's; retries stay with the stub, which knows
what may be repeated, so the proxy repeats nothing that it has sent.
"""

from pathlib import Path

from app.topology import Topology

FIRST_PORT = 9101

HAPROXY = """\
global
    maxconn 4096

defaults
    mode http
    timeout connect 500ms
    timeout client 75s
    timeout server 75s
    timeout http-keep-alive 70s
    option http-keep-alive
    option redispatch
    retries 2
    retry-on conn-failure
    default-server check inter 1s fall 1 rise 1 maxconn 64
"""
NGINX = """\
worker_processes auto;
events { worker_connections 4096; }
http {
    access_log off;
    client_max_body_size 64m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_connect_timeout 500ms;
    proxy_read_timeout 75s;
    proxy_next_upstream error timeout;
"""


def addresses(topology: Topology, host: str, first_port: int) -> dict[str, str]:
    """Return where the proxy answers for each process that others call."""
    named = [name for name, process in topology.processes.items() if process.urls]
    return {name: f"{host}:{first_port + number}" for number, name in enumerate(named)}


def haproxy(topology: Topology, sockets: Path, *, host: str = "127.0.0.1", first_port: int = FIRST_PORT) -> str:
    parts = [HAPROXY]
    for name, bind in addresses(topology, host, first_port).items():
        parts.append(f"listen {name}\n    bind {bind}\n    balance leastconn\n    option httpchk GET /readyz?self\n")
        for number, url in enumerate(topology.processes[name].urls, 1):
            at = f"unix@{sockets / url[5:]}" if url.startswith("unix:") else url.split("://", 1)[1].rstrip("/")
            parts.append(f"    server {name}_{number} {at}\n")
        parts.append("\n")
    return "".join(parts)


def nginx(topology: Topology, sockets: Path, *, host: str = "127.0.0.1", first_port: int = FIRST_PORT) -> str:
    parts = [NGINX]
    for name, bind in addresses(topology, host, first_port).items():
        parts.append(f"    upstream {name} {{\n        least_conn;\n")
        for url in topology.processes[name].urls:
            at = f"unix:{sockets / url[5:]}" if url.startswith("unix:") else url.split("://", 1)[1].rstrip("/")
            parts.append(f"        server {at} max_fails=1 fail_timeout=1s;\n")
        parts.append("        keepalive 32;\n    }\n")
        parts.append(
            f"    server {{\n        listen {bind};\n        location / {{ proxy_pass http://{name}; }}\n    }}\n"
        )
    return "".join([*parts, "}\n"])


PROXIES = {"haproxy": haproxy, "nginx": nginx}
