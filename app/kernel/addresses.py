"""Which addresses of the internet may be asked: public ones, and those that the administrator names."""

import ipaddress
import socket
import threading
from collections.abc import Collection
from typing import Any

from app.kernel.contract import DomainError

Address = tuple[socket.AddressFamily, Any]  # as socket.connect takes it
IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# Translators of IPv6 to IPv4 (RFC 6052): the last 32 bits are where the connection ends.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutgoingRefused(DomainError):
    """This address is not asked: it is private, or not one of the web."""

    code, status = "outgoing.refused", 422


class AllowedAddresses:
    """`allow` are host names, addresses or networks that may be private."""

    def __init__(self, allow: Collection[str] = ()) -> None:
        self.names: set[str] = set()
        self.networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self.networks.append(ipaddress.ip_network(entry.strip().strip("[]"), strict=False))
            except ValueError:
                self.names.add(_plain(entry))

    def resolve(self, name: str, port: int, timeout_s: float) -> list[Address]:
        """Return the addresses of a host, all of which may be asked. Raises OutgoingRefused."""
        found = _look_up(name, port, timeout_s)
        if not found:
            raise OutgoingRefused(f"there is no host {name}")
        if _plain(name) not in self.names:
            for _, address in found:
                self._check(name, ipaddress.ip_address(address[0].partition("%")[0]))
        return found

    def _check(self, name: str, ip: IP) -> None:
        end = unwrapped(ip)
        if is_public(end) or any(each in network for network in self.networks for each in (ip, end)):
            return
        raise OutgoingRefused(
            f"{name} is at {ip}, not a public address; an administrator can allow it by SEGUE_ALLOW_PRIVATE_HOSTS"
        )


def unwrapped(ip: IP) -> IP:
    """Return the IPv4 address that an IPv6 address carries, else itself."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or ip
    return ip


def is_public(ip: IP) -> bool:
    """Whether an address is one of the internet's hosts, wherever this runs."""
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not special and not site_local and not ip.is_unspecified


def _plain(name: str) -> str:
    return name.strip().lower().rstrip(".")


def _look_up(name: str, port: int, timeout_s: float) -> list[Address]:
    """Ask the resolver, which knows no time limit of its own: a thread that it keeps is left behind."""
    found: list[Address] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend((family, address) for family, _, _, _, address in answers if family in FAMILIES)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return list(found)


FAMILIES = (socket.AF_INET, socket.AF_INET6)
