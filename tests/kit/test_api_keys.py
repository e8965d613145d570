"""The shape of API keys: what is well formed, what is stored, what may be shown."""

import hmac
import random
import re
import string

from hypothesis import given
from hypothesis import strategies as st

from kit import api_keys

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEYS = st.integers(0, 2**32).map(lambda _: api_keys.generate())
# HMAC pads its key with zeros: only peppers of one length are sure to differ.
PEPPERS = st.binary(min_size=32, max_size=32)


@given(KEYS)
def test_a_generated_key_is_well_formed_and_matches_the_public_pattern(
    key: str,
) -> None:
    assert api_keys.is_well_formed(key)
    assert re.fullmatch(r"tg_[0-9A-Za-z]{49}", key)


def test_generated_keys_differ() -> None:
    assert len({api_keys.generate() for _ in range(1000)}) == 1000


@given(KEYS, st.integers(0, 48), st.sampled_from(_ALPHABET))
def test_one_mistyped_character_is_noticed(key: str, at: int, typed: str) -> None:
    place = len(api_keys.PREFIX) + at
    mistyped = key[:place] + typed + key[place + 1 :]
    assert api_keys.is_well_formed(mistyped) == (mistyped == key)


@given(KEYS, st.integers(0, 47))
def test_two_swapped_characters_are_noticed(key: str, at: int) -> None:
    place = len(api_keys.PREFIX) + at
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert api_keys.is_well_formed(swapped) == (swapped == key)


@given(st.text(max_size=80))
def test_other_text_is_not_a_key(text: str) -> None:
    assert not api_keys.is_well_formed(text)


@given(KEYS, st.sampled_from(["\n", " ", "\x00", "é", "٣"]))
def test_a_key_with_more_around_it_is_not_a_key(key: str, more: str) -> None:
    assert not api_keys.is_well_formed(key + more)
    assert not api_keys.is_well_formed(more + key)


def test_made_up_keys_are_refused_before_any_look_up() -> None:
    chance = random.Random(7)
    made_up = ("tg_" + "".join(chance.choices(_ALPHABET, k=49)) for _ in range(20_000))
    assert not any(map(api_keys.is_well_formed, made_up))


@given(KEYS, PEPPERS)
def test_the_digest_is_stable_and_says_nothing_of_the_key(
    key: str, pepper: bytes
) -> None:
    digest = api_keys.digest(key, pepper)
    assert digest == api_keys.digest(key, pepper)
    assert digest == hmac.digest(pepper, key.encode(), "sha256").hex()
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert key[3:9] not in digest


@given(KEYS, KEYS, PEPPERS, PEPPERS)
def test_the_digest_depends_on_key_and_pepper(
    one: str, other: str, pepper: bytes, other_pepper: bytes
) -> None:
    digest = api_keys.digest(one, pepper)
    assert digest != api_keys.digest(other, pepper)
    assert (digest == api_keys.digest(one, other_pepper)) == (pepper == other_pepper)


@given(KEYS)
def test_what_is_shown_leaves_most_of_the_key_out(key: str) -> None:
    shown = api_keys.shown(key)
    start, _, end = shown.partition("…")
    assert key.startswith(start)
    assert key.endswith(end)
    # 62^39 keys look alike: what is shown does not help to guess the rest.
    assert len(start) + len(end) == 13
    assert len(shown) <= 16
