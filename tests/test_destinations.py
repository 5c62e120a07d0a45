"""Where a request may go: the table of addresses, and every way to write a URL that hides one."""

# ruff: noqa: RUF001 - look-alikes are what is tested
# ruff: noqa: SIM905 - two hundred addresses read better without quotes

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.platform.destinations import (
    Destination,
    ForbiddenDestination,
    Zone,
    parse_destination,
    refusal,
)
from app.settings import Settings

SETTINGS = Settings(public_ports=(9443,))
INSIDE = Settings(internal_networks=(ip_network("10.0.0.0/8"), ip_network("fd12::/16")))
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))

PUBLIC_ADDRESSES = """
    1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.0 198.17.255.255
    198.20.0.0 223.255.255.255 168.63.129.15 2606:4700:4700::1111 2a00:1450:4007::1 2001:200::1
    ::ffff:8.8.8.8 64:ff9b::808:808
""".split()

NEVER_ADDRESSES = """
    0.0.0.0 0.255.255.255 169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192
    224.0.0.1 239.255.255.255 255.255.255.255
    :: fe80::1 fe80::1%eth0 febf::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42
    ff02::1 ff0e::1
    ::ffff:169.254.169.254 ::169.254.169.254 ::ffff:0:169.254.169.254 64:ff9b::a9fe:a9fe
    64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe:: 2001:0:a9fe:a9fe:: 2001::5601:5601 ::ffff:168.63.129.16
""".split()

SPECIAL_ADDRESSES = """
    10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 172.16.0.1
    172.31.255.255 192.0.0.8 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
    192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 240.0.0.1
    ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
    64:ff9b:1::7f00:1 64:ff9b:1::808:808 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
    2002:7f00:1:: 2002:808:808:: 2620:4f:8000::1 3fff::1 5f00::1 4000::1 fc00::1 fd12::1 fec0::1
""".split()


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_allowed_in_the_public_zone(address: str) -> None:
    assert refusal(ip_address(address), Zone.PUBLIC, ()) is None


@pytest.mark.parametrize("address", SPECIAL_ADDRESSES + NEVER_ADDRESSES)
def test_a_private_local_or_special_address_is_never_public(address: str) -> None:
    assert refusal(ip_address(address), Zone.PUBLIC, EVERYWHERE) is not None


@pytest.mark.parametrize("address", NEVER_ADDRESSES)
def test_metadata_is_out_of_reach_whatever_networks_the_operator_lists(address: str) -> None:
    assert refusal(ip_address(address), Zone.INTERNAL, EVERYWHERE) is not None


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"])
def test_the_internal_zone_is_what_the_operator_lists(address: str) -> None:
    assert refusal(ip_address(address), Zone.INTERNAL, INSIDE.internal_networks) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "11.0.0.1", "::1", "64:ff9b::a00:1", "::10.0.0.1"])
def test_the_internal_zone_is_nothing_else(address: str) -> None:
    assert refusal(ip_address(address), Zone.INTERNAL, INSIDE.internal_networks) is not None


def test_loopback_is_internal_when_it_is_listed() -> None:
    loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert refusal(IPv4Address("127.0.0.1"), Zone.INTERNAL, loopback) is None
    assert refusal(IPv6Address("::1"), Zone.INTERNAL, loopback) is None


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if refusal(address, Zone.PUBLIC, ()) is None and not str(address).startswith(("::", "64:")):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("10.0.0.1"))
def test_an_address_is_not_made_public_by_its_clothes(address: IPv4Address) -> None:
    if refusal(address, Zone.PUBLIC, ()) is None:
        return
    number = int(address)
    clothes = [
        number,
        (0xFFFF << 32) + number,
        (0xFFFF << 48) + number,
        (0x64FF9B << 96) + number,
        (0x64FF9B0001 << 80) + number,
        (0x2002 << 112) + (number << 80),
        (0x20010000 << 96) + (number << 64),
        (0x20010000 << 96) + (number ^ 0xFFFFFFFF),
    ]
    for worn in clothes:
        assert refusal(IPv6Address(worn), Zone.PUBLIC, ()) is not None


FORBIDDEN_PUBLIC_URLS = [
    # Scheme and port
    "http://db.example.com/hook",
    "http://db.example.com:443/hook",
    "ftp://db.example.com/",
    "file:///etc/passwd",
    "gopher://db.example.com/",
    "unix:/run/docker.sock",
    "https:db.example.com",
    "//db.example.com/",
    "db.example.com/hook",
    "https://",
    "https:///hook",
    "https://?x",
    "",
    "https://db.example.com:80/",
    "https://db.example.com:22/",
    "https://db.example.com:0/",
    "https://db.example.com:65536/",
    "https://db.example.com:99999/",
    "https://db.example.com:443443/",
    "https://db.example.com:-443/",
    "https://db.example.com:４４３/",
    # User info, fragment, what parsers disagree about
    "https://user@db.example.com/",
    "https://user:secret@db.example.com/",
    "https://@db.example.com/",
    "https://db.example.com@127.0.0.1/",
    "https://db.example.com%40127.0.0.1/",
    "https://db.example.com/#part",
    "https://db.example.com/#",
    "https://db.example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://db.example.com/a b",
    "https://db.example.com/\r\nHost: other",
    "https://db.example.com/\x00",
    "https://db.exa\tmple.com/",
    " https://db.example.com/",
    "https://db.example.com/\ud800",
    "https://db.example.com/" + "a" * 2_048,
    # Local names
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://localhost.localdomain/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://router.home.arpa/",
    "https://intranet/",
    # Addresses
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1111%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]x/",
    "https://[::1]@db.example.com/",
    "https://[db.example.com]/",
    "https://[v1.x]/",
    # Numbers in disguise, allowed targets among them
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0X7F.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.0x1/",
    "https://127.0.0.0x/",
    "https://1.2.3.4.5/",
    "https://256.0.0.1/",
    "https://134744072/",
    "https://db.example.1/",
    # Look-alikes
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://local\u00adhost/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://%31%32%37.0.0.1/",
    "https://a\u200db.com/",
    # No names
    "https://a..b.com/",
    "https://.example.com/",
    "https://db.example.com../",
    "https://-a.example.com/",
    "https://a-.example.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://exa$mple.com/",
    "https://exa*mple.com/",
]


@pytest.mark.parametrize("url", FORBIDDEN_PUBLIC_URLS)
def test_a_forbidden_url_is_refused_at_registration(url: str) -> None:
    with pytest.raises(ForbiddenDestination):
        parse_destination(url, Zone.PUBLIC, SETTINGS)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://db.example.com", "https://db.example.com/"),
        ("HTTPS://DB.Example.COM./Hook?a=1&b=[2]", "https://db.example.com/Hook?a=1&b=[2]"),
        ("https://db.example.com:443/", "https://db.example.com/"),
        ("https://db.example.com:8443/x", "https://db.example.com:8443/x"),
        ("https://db.example.com:9443?x=%2F", "https://db.example.com:9443/?x=%2F"),
        ("https://exämple.com/é", "https://xn--exmple-cua.com/%C3%A9"),
        ("https://ｄｂ。Ⓔxample.com/", "https://db.example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://８.⑧.8。8/", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("https://my_db.example.com/", "https://my_db.example.com/"),
    ],
)
def test_an_allowed_url_has_one_normal_form(url: str, normal: str) -> None:
    destination = parse_destination(url, Zone.PUBLIC, SETTINGS)
    assert destination.url == normal
    assert parse_destination(normal, Zone.PUBLIC, SETTINGS) == destination


@pytest.mark.parametrize(
    "url",
    ["http://crm:8080/hook", "http://10.1.2.3/", "https://crm.local:1/", "http://[fd12::5]:65535/"],
)
def test_the_internal_zone_takes_any_port_and_local_names(url: str) -> None:
    assert parse_destination(url, Zone.INTERNAL, INSIDE).zone is Zone.INTERNAL


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "http://169.254.169.254/",
        "http://0x0a000001/",
        "http://user@10.0.0.1/",
        "http://10.0.0.1:0/",
        "http://10.0.0.1:65536/",
        "ws://10.0.0.1/",
    ],
)
def test_the_internal_zone_has_its_rules_too(url: str) -> None:
    with pytest.raises(ForbiddenDestination):
        parse_destination(url, Zone.INTERNAL, INSIDE)


def test_the_internal_zone_is_closed_until_networks_are_listed() -> None:
    with pytest.raises(ForbiddenDestination, match="OPTOUT_INTERNAL_NETWORKS"):
        parse_destination("http://crm/hook", Zone.INTERNAL, SETTINGS)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:hunter2@db.example.com/", "user name or a password"),
        ("https://hunter2@127.0.0.1/hunter2", "user name or a password"),
        ("https://127.0.0.1/hunter2?token=hunter2", "127.0.0.1 is a private"),
        ("http://db.example.com/hunter2", "begins with https://"),
        ("https://db.example.com:22/hunter2#hunter2", "fragment"),
        ("https://db.example.com:22/hunter2", "Port 22 is refused"),
        ("https://2130706433/hunter2", "number in disguise"),
    ],
)
def test_a_refusal_says_what_was_wrong_and_repeats_no_secret(url: str, words: str) -> None:
    with pytest.raises(ForbiddenDestination) as refused:
        parse_destination(url, Zone.PUBLIC, SETTINGS)
    assert words in refused.value.detail
    assert "hunter2" not in refused.value.detail


def test_a_destination_does_not_print_its_path() -> None:
    destination = parse_destination("https://db.example.com/hunter2", Zone.PUBLIC, SETTINGS)
    assert "hunter2" not in repr(destination)


@given(st.text() | st.from_regex(r"https?://[^/]{1,40}(:[0-9]{1,6})?/.{0,20}", fullmatch=True))
def test_no_text_gets_past_the_rules_or_breaks_them(url: str) -> None:
    try:
        destination = parse_destination(url, Zone.PUBLIC, SETTINGS)
    except ForbiddenDestination:
        return
    assert destination.scheme == "https"
    assert destination.port in {443, 8443, 9443}
    assert destination.host.isascii()
    assert destination.target.isascii()
    assert parse_destination(destination.url, Zone.PUBLIC, SETTINGS) == destination
    assert isinstance(destination, Destination)
