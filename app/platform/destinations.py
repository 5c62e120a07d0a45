"""Where a request may go: zones, networks that are refused, and the reading of URLs.

In the platform because every room that sends anything outside must obey the same table; apart
from ``app.platform.http`` because it does no I/O and is judged line by line.

Python's ``ipaddress.is_global`` is not the rule: it says yes to NAT64, 6to4 and IPv4-compatible
forms of loopback, to multicast, and to Azure's 168.63.129.16.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote

import idna

from app.platform.problems import Problem
from app.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_LENGTH = 2_048


class Zone(StrEnum):
    """How far a destination may lie: anywhere in public, or inside the operator's own networks."""

    PUBLIC = "public"
    INTERNAL = "internal"


class ForbiddenDestination(Problem):
    """The registry does not send requests to this address.

    In the zone `public` a destination is https, on port 443 or 8443 (or one of
    `OPTOUT_PUBLIC_PORTS`), and never a private, local or special address. In the zone `internal` it
    lies within `OPTOUT_INTERNAL_NETWORKS`. Neither carries a user name, a password or a fragment.
    """

    type = "forbidden-destination"
    title = "This destination is not allowed"
    status = 422


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL that obeys the rules of its zone; made by ``parse_destination`` alone.

    ``host`` is a lower-case ASCII name without trailing dot, or an address without brackets.
    ``target`` (path and query) may hold the receiver's secrets: it is in no ``repr`` and no error.
    """

    zone: Zone
    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        """Host and port as the Host header writes them: a default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL in its normal form, secrets in its path included."""
        return f"{self.scheme}://{self.authority}{self.target}"


_DEFAULT_PORTS = {"https": 443, "http": 80}
_PUBLIC_PORTS = frozenset({443, 8443})

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)")
_AUTHORITY = re.compile(r"(?:\[([^\]]*)\]|([^\[\]:]*))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa")


def parse_destination(url: str, zone: Zone, settings: Settings) -> Destination:
    """Read a URL by the rules of its zone; names are looked up only when a request is sent.

    Raises ForbiddenDestination, whose detail says what was refused and repeats neither user info
    nor path.
    """
    scheme, authority, target = _split(url)
    if "@" in authority:
        raise ForbiddenDestination("A URL with a user name or a password is refused; leave it out.")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ForbiddenDestination("The host or the port of this URL cannot be read.")
    bracketed, name, digits = match.groups()
    host = _host(name) if bracketed is None else str(_ipv6(bracketed))
    port = int(digits) if digits else _DEFAULT_PORTS.get(scheme, 0)
    _check_scheme_and_port(scheme, port, zone, settings)
    _check_host(host, zone, settings.internal_networks)
    return Destination(zone, scheme, host, port, target)


def refusal(address: Address, zone: Zone, internal_networks: Sequence[Network]) -> str | None:
    """Say why a request of this zone may not go to an address; None: it may.

    Addresses in IPv6 clothes are judged by the IPv4 address that they stand for.
    """
    worn = (address, *_hidden(address))
    if any(one in network for network in _NEVER for one in worn):
        return "a metadata, link-local, unspecified or multicast address"
    bare = _bare(address)
    if zone is Zone.INTERNAL:
        inside = any(bare in network for network in internal_networks)
        return None if inside else "an address outside OPTOUT_INTERNAL_NETWORKS"
    if isinstance(bare, IPv6Address):
        if bare in _NAT64:
            return refusal(_low(bare), zone, internal_networks)
        if bare not in _GLOBAL_UNICAST:
            return "a private, local or special address"
    special = any(bare in network for network in _SPECIAL)
    return "a private, local or special address" if special else None


def _split(url: str) -> tuple[str, str, str]:
    if len(url) > MAX_URL_LENGTH:
        raise ForbiddenDestination(f"A URL has at most {MAX_URL_LENGTH} characters.")
    if re.search(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]", url):
        raise ForbiddenDestination("A URL holds no spaces, control characters or backslashes.")
    if "#" in url:
        raise ForbiddenDestination("A URL with a fragment (#) is refused; leave it out.")
    match = _URL.fullmatch(url)
    if match is None or not match[2]:
        raise ForbiddenDestination("This is no absolute URL, such as https://db.example.com/hook.")
    scheme, authority, rest = match.groups()
    target = quote(rest, safe="/%:@!$&'()*+,;=~?-._[]|")
    return scheme.lower(), authority, target if target.startswith("/") else f"/{target}"


def _host(name: str) -> str:
    """Bring a name to lower-case ASCII (IDNA 2008, mapped by UTS 46), without its trailing dot."""
    if not name.isascii():
        try:
            name = idna.uts46_remap(name, std3_rules=False)
            name = name if name.isascii() else idna.encode(name).decode("ascii")
        except idna.IDNAError:
            raise ForbiddenDestination("The host of this URL is no domain name.") from None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035
        raise ForbiddenDestination("The host of this URL is no domain name.")
    if _NUMERIC.fullmatch(labels[-1]):
        return str(_dotted_quad(name))
    return name


def _dotted_quad(name: str) -> IPv4Address:
    # Other spellings (127.1, 0177.0.0.1, 0x7f000001, 2130706433) mean one host to one library and
    # another host to the next.
    try:
        return IPv4Address(name)
    except ValueError:
        raise ForbiddenDestination(
            f"The host {name!r} is a number in disguise; write an IPv4 address as 192.0.2.1."
        ) from None


def _ipv6(text: str) -> IPv6Address:
    if "%" in text:
        raise ForbiddenDestination("An IPv6 address with a zone id (%) is refused.")
    try:
        return IPv6Address(text)
    except ValueError:
        raise ForbiddenDestination("The host of this URL is no IPv6 address.") from None


def _check_scheme_and_port(scheme: str, port: int, zone: Zone, settings: Settings) -> None:
    if zone is Zone.PUBLIC and scheme != "https":
        raise ForbiddenDestination("In the zone 'public' a URL begins with https://.")
    if scheme not in _DEFAULT_PORTS:
        raise ForbiddenDestination(
            "A URL begins with https:// or, in the zone 'internal', http://."
        )
    allowed = _PUBLIC_PORTS.union(settings.public_ports)
    if zone is Zone.PUBLIC and port not in allowed:
        listed = ", ".join(str(number) for number in sorted(allowed))
        raise ForbiddenDestination(
            f"Port {port} is refused; the zone 'public' allows {listed} (OPTOUT_PUBLIC_PORTS)."
        )
    if not 0 < port < 65_536:  # noqa: PLR2004 - the range of TCP
        raise ForbiddenDestination(f"There is no port {port}.")


def _check_host(host: str, zone: Zone, internal_networks: Sequence[Network]) -> None:
    if zone is Zone.INTERNAL and not internal_networks:
        raise ForbiddenDestination(
            "The zone 'internal' is closed: the operator lists its networks in "
            "OPTOUT_INTERNAL_NETWORKS."
        )
    try:
        address = ip_address(host)
    except ValueError:
        _check_name(host, zone)
        return
    why = refusal(address, zone, internal_networks)
    if why:
        raise ForbiddenDestination(f"The host {host} is {why}.")


def _check_name(name: str, zone: Zone) -> None:
    local = "." not in name or any(name.endswith(f".{suffix}") for suffix in _LOCAL_NAMES)
    if zone is Zone.PUBLIC and local:
        raise ForbiddenDestination(f"The host {name!r} is a local name.")


def _networks(*listed: str) -> tuple[Network, ...]:
    return tuple(ip_network(one) for one in listed)


_NEVER = _networks(
    "0.0.0.0/8",  # this host (RFC 1122)
    "168.63.129.16/32",  # Azure's WireServer, a public address by its looks
    "169.254.0.0/16",  # link-local: metadata and credentials of most clouds
    "100.100.100.200/32",  # metadata of Alibaba Cloud
    "192.0.0.192/32",  # metadata of Oracle Cloud, classic
    "224.0.0.0/4",  # multicast
    "255.255.255.255/32",  # broadcast
    "::/128",  # this host
    "fe80::/10",  # link-local
    "fd00:ec2::/32",  # metadata, credentials and DNS of AWS
    "fd20:ce::/32",  # metadata of Google Cloud
    "fd00:42::42/128",  # metadata of Scaleway
    "ff00::/8",  # multicast
)

_SPECIAL = _networks(
    # IANA IPv4 Special-Purpose Address Registry
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carriers' NAT
    "127.0.0.0/8",  # loopback
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # IETF protocol assignments, 192.0.0.8 among them
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT relays
    "192.88.99.0/24",  # 6to4 relays, deprecated
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "240.0.0.0/4",  # reserved
    # Within IPv6 global unicast (all else in IPv6 is refused before)
    "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, deprecated
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_EMBEDDING = (
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated (RFC 2765)
    _NAT64,
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of local use (RFC 8215)
)


def _low(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def _bare(address: Address) -> Address:
    """Unwrap an IPv4-mapped address: the kernel connects to the IPv4 address itself."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _hidden(address: Address) -> Iterator[IPv4Address]:
    """Find every IPv4 address that an IPv6 address can stand for."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in _EMBEDDING) and not address.is_loopback:
        yield _low(address)
