"""Whom endpoints may be at: a table of addresses that lead inside, however written."""

import pytest

from kit.networks import network_of
from kit.public_addresses import may_be_called

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.1.2.3
168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.7
203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:7f00:1 0:0:0:0:0:ffff:a9fe:a9fe 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe
64:ff9b::10.1.2.3 64:ff9b:1::1 100::1 2001::1 2001:0:53aa:64c::1 2001:db8::1
2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808::1 fc00::1 fd00:ec2::254 fd12:3456::1
fe80::1 fe80::1%eth0 2606:4700::1111%eth0 fec0::1 ff02::1 ff0e::1
localhost example.com 127.1 2130706433 0x7f000001 0177.0.0.1 1.2.3.4.5
""".split()
CALLED = """
1.1.1.1 8.8.8.8 93.184.215.14 172.15.255.255 172.32.0.1 100.128.0.1 169.253.1.1
::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700:4700::1111 2a00:1450:4001::200e
""".split()


@pytest.mark.parametrize("address", [*REFUSED, ""])
def test_what_leads_inside_is_refused(address: str) -> None:
    assert not may_be_called(address, allowed=())


@pytest.mark.parametrize("address", CALLED)
def test_what_is_public_is_called(address: str) -> None:
    assert may_be_called(address, allowed=())


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("64:ff9b::10.1.2.3", "10.1.0.0/16"),
        ("10.1.2.3", "::ffff:10.1.0.0/112"),
        ("fd00::7", "fd00::/64"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_operators_may_name_what_else_is_called(address: str, network: str) -> None:
    assert may_be_called(address, allowed=[network_of(network)])
    assert not may_be_called("10.2.0.1", allowed=[network_of(network)])
