"""Where a store is, read from its URL."""

import ssl

import pytest

from inference.limiting.address import StoreAddress, parse_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://store", StoreAddress("store", 6379, "", 0, "", "")),
        ("redis://", StoreAddress("localhost", 6379, "", 0, "", "")),
        ("valkey://store:7000/3", StoreAddress("store", 7000, "", 3, "", "")),
        ("redis://[::1]:7000?db=2", StoreAddress("::1", 7000, "", 2, "", "")),
        ("redis://:p%40ss@store/", StoreAddress("store", 6379, "", 0, "", "p@ss")),
        ("redis://me:word@store", StoreAddress("store", 6379, "", 0, "me", "word")),
        (
            "unix://me:word@/run/a%20b?db=4",
            StoreAddress("", 0, "/run/a b", 4, "me", "word"),
        ),
    ],
)
def test_what_a_url_says(url: str, address: StoreAddress) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_certificates_are_checked_unless_told_otherwise(scheme: str) -> None:
    strict = parse_address(f"{scheme}://store?ssl_cert_reqs=required").tls
    assert strict is not None
    assert strict.verify_mode == ssl.CERT_REQUIRED
    assert strict.check_hostname
    for none in ("none", "CERT_NONE"):
        lax = parse_address(f"{scheme}://store?ssl_cert_reqs={none}").tls
        assert lax is not None
        assert lax.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    "url",
    ["", "store:6379", "http://s3cret@store", "redis://:s3cret@store/x", "unix://"],
)
def test_what_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"give|needs|number") as refused:
        parse_address(url)
    assert "s3cret" not in str(refused.value)


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(parse_address("redis://:s3cret@store"))
