"""Where a webhook may go: an address on the public net, resolved here and connected to as resolved.

A name that points at this machine or its network would make the service a way into both. The address that was
checked is the one that is used, so that a name cannot point elsewhere a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.errors import TargetRefused

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """``url`` has the address in the name's place; ``host`` is the name as the ``Host`` header wants it."""

    url: str
    host: str
    name: str


def resolve(url: str, private: bool) -> Target:
    """Look the name up and pin one address. ``private``: addresses that are not public, and plain HTTP, will do.

    Blocks for as long as the resolver does. Raises ``TargetRefused``.
    """
    parts = _checked(url, private)
    name, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetRefused("The name of the target cannot be resolved") from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    # One private address among several is as bad as only private ones: which is tried first is not ours to say.
    if not addresses or not (private or all(is_public(one) for one in addresses)):
        raise TargetRefused("The target is not on the public net")
    shown = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    pinned = parts._replace(netloc=f"{shown}:{port}")
    return Target(pinned.geturl(), parts.netloc, name)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public net, also where it wraps an IPv4 address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or ip in _NAT64:
            return False
    return ip.is_global and not ip.is_multicast


def _checked(url: str, private: bool) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or "@" in parts.netloc or parts.fragment or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
        raise TargetRefused("The target is not an address of the form https://name/path")
    if parts.scheme != "https" and not private:
        raise TargetRefused("The target must be https")
    return parts
