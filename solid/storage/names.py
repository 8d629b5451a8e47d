"""Whether a server's name is known here: the first thing to go wrong, and clients try it again for minutes."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit


def unknown_name(address: str) -> str | None:
    """The host of an http(s) address, where this machine is told that there is no such name; else None.

    A name server that does not answer may do so later, and a proxy looks names up itself: neither counts.
    """
    place = urlsplit(address)
    host = place.hostname
    if place.scheme not in ("http", "https") or not host:
        return None
    if urllib.request.getproxies().get(place.scheme) and not urllib.request.proxy_bypass(host):
        return None
    try:
        socket.getaddrinfo(host, place.port or 443)
    except socket.gaierror as error:
        return None if error.errno == socket.EAI_AGAIN else host
    return None
