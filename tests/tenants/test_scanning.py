"""The published pattern finds our secrets, and nothing else."""

import json
import random
import re

import pytest
from django.core.management import call_command

from kit import api_keys
from tenants import scanning

CHARS = api_keys.SECRET_CHARS + api_keys.CHECKSUM_CHARS
TRIES = 1_000_000
# Not each character equally often, which makes no checksum right more often.
AS_BASE_62 = bytes(ord(api_keys.ALPHABET[byte % 62]) for byte in range(256))


@pytest.mark.parametrize("kind", scanning.KINDS, ids=lambda kind: kind.slug)
def test_each_kind_is_found_wherever_it_stands(kind: scanning.SecretKind) -> None:
    for around in ("{}", 'key="{}"', "Bearer {}\n", "https://host/?key={}&x=1", "({})"):
        text = api_keys.generate(kind.prefix)
        assert list(scanning.found_in(around.format(text))) == [text]
        assert re.search(kind.pattern, around.format(text))


def test_a_part_of_something_longer_is_not_found() -> None:
    text = api_keys.generate()
    for longer in (text + "x", "x" + text, "_" + text, text + "_"):
        assert list(scanning.found_in(longer)) == []


def test_a_changed_character_is_not_found() -> None:
    text = api_keys.generate()
    for place in range(len(api_keys.PREFIX), len(text)):
        other = "A" if text[place] != "A" else "B"
        assert not list(scanning.found_in(text[:place] + other + text[place + 1 :]))


def test_of_a_million_texts_of_the_shape_none_is_found() -> None:
    noise = random.Random(20261121)
    chars = noise.randbytes(TRIES * CHARS).translate(AS_BASE_62).decode()
    lines = "\n".join(
        api_keys.PREFIX + chars[start : start + CHARS]
        for start in range(0, len(chars), CHARS)
    )
    shaped = re.compile(scanning.KINDS[0].pattern)
    assert sum(1 for _ in shaped.finditer(lines)) == TRIES
    assert list(scanning.found_in(lines)) == []


def test_the_command_prints_what_a_scanner_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("key_pattern", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert {kind["prefix"] for kind in printed["kinds"]} == {
        "tg_",
        "tgt_",
        "tgo_",
        "tgi_",
    }
    for kind in printed["kinds"]:
        text = api_keys.generate(kind["prefix"])
        assert re.fullmatch(kind["regex"], text)
        assert re.search(printed["regex"], f" {text} ")
    call_command("key_pattern")
    assert "tgo_[0-9A-Za-z]{49}" in capsys.readouterr().out
