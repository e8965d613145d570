"""Addresses and networks: ports and brackets, IPv4 in IPv6, and what is none."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.networks import address_of, lies_inside, lies_within, network_of

V4, V6 = IPv4Address("192.0.2.7"), IPv6Address("2001:db8::7")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", V4),
        (" 192.0.2.7 ", V4),
        ("192.0.2.7:8080", V4),
        ("::ffff:192.0.2.7", V4),
        ("[::ffff:192.0.2.7]:443", V4),
        ("2001:db8::7", V6),
        ("[2001:db8::7]", V6),
        ("[2001:DB8::7]:443", V6),
        ("2001:db8::7%eth0", V6),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("192.0.2", None),
        ("192.0.2.007", None),
        ("192.0.2.7:", None),
        ("192.0.2.7:99999999", None),
        ("192.0.2.7, 10.0.0.1", None),
        ("[]", None),
        ("192.0.2.7\0", None),
    ],
)
def test_an_address_is_read_in_each_of_its_forms(text: str, address: object) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
    ],
)
def test_a_network_is_read(text: str, network: str) -> None:
    assert network_of(text) == ip_network(network)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10.1.2.3/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("office", "such as 10.0.0.0/8"),
        ("10.0.0.0/33", "such as 10.0.0.0/8"),
        ("", "such as 10.0.0.0/8"),
    ],
)
def test_what_is_no_network_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        network_of(text)


def test_what_has_no_address_lies_nowhere() -> None:
    assert not lies_within(None, [network_of("0.0.0.0/0"), network_of("::/0")])
    assert not lies_within(V4, [])
    assert lies_within(V4, [network_of("10.0.0.0/8"), network_of("192.0.2.0/24")])
    assert not lies_within(V4, [network_of("::/0")])


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_the_family_in_which_an_address_comes_makes_no_difference(
    address: IPv4Address, prefix: int
) -> None:
    network = network_of(str(ip_network((address, prefix), strict=False)))
    for form in (f"{address}", f"::ffff:{address}", f"[::ffff:{address}]:1"):
        assert lies_within(address_of(form), [network])


@pytest.mark.parametrize(
    ("network", "is_inside"),
    [
        ("10.1.0.0/16", True),
        ("10.0.0.0/8", True),
        ("10.0.0.1/32", True),
        ("2001:db8:1::/48", True),
        ("10.0.0.0/7", False),
        ("0.0.0.0/0", False),
        ("::/0", False),
        ("192.0.2.1/32", False),
    ],
)
def test_a_network_lies_inside_a_single_other(network: str, is_inside: bool) -> None:
    others = [network_of("10.0.0.0/8"), network_of("2001:db8::/32")]
    assert lies_inside(network_of(network), others) is is_inside
    assert not lies_inside(network_of(network), [])
