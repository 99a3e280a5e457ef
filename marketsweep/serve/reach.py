"""From where a server can be reached, and whether requests need a token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from marketsweep.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
"""Host names of this machine."""


class Reach(NamedTuple):
    """The address of a server, and who may send it requests."""

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    """Host names that it answers for, beside those of this machine."""
    origins: tuple[str, ...] = ()
    """Sites whose pages may use it, such as https://charts.example.org."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies that say the truth about clients."""

    @classmethod
    def of(
        cls, host: str, names: Sequence[str], origins: Sequence[str], proxies: Sequence[str]
    ) -> Reach:
        """Return the checked parts of a command line. Raises UsageError."""
        for name in names:
            if not _NAME.fullmatch(name):
                raise UsageError(f"--name {name} is not a host name such as scanner.example.org")
        for origin in origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise UsageError(f"--cors {origin} is not a site such as https://app.example.org")
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise UsageError(
                    f"--proxy-headers {proxy} is not an address or a network such as 10.0.0.0/8: "
                    f"{error}"
                ) from None
        lower = tuple(name.lower() for name in names)
        return cls(host, lower, tuple(origins), tuple(proxies))

    @property
    def is_private(self) -> bool:
        """Whether only programs of this machine can reach it: then requests need no token."""
        is_local = bracketed(self.host) in LOOPBACK
        return is_local and not (self.names or self.origins or self.proxies)

    def answers_for(self, name: str) -> bool:
        """Return whether it answers requests for a host name, without the port.

        An address of numbers is answered where tokens are needed: only a name can be bound to the
        address of another machine (DNS rebinding).
        """
        return name in LOOPBACK or name in self.names or (not self.is_private and _is_address(name))


def bracketed(host: str) -> str:
    """Return a host as it is written in an address."""
    return f"[{host}]" if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
