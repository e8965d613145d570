"""Pictures, sound and films within a chat: what they are, and how large they may be.

Media comes as data within the request, or by an address that the gateway may fetch it
from (`inference.gateway.media`); an engine is only ever sent data. What it is, its
first bytes say: a claimed type that differs is refused. Failure: `InvalidRequest` with
the part's place, and never with an address or data in it. Pure.
"""

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_object

PARTS_MAX = 16
PART_BYTES_MAX = 10 * 1024 * 1024
URL_CHARACTERS_MAX = 8192
_DETAILS = frozenset({"auto", "high", "low"})
_HEAD_CHARACTERS = 64
_DATA = re.compile(r"data:([a-z0-9.+/-]{1,100});base64,", re.IGNORECASE)


class Modality(StrEnum):
    """A kind of input that a served model takes. Values are stored with it."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"


TEXT_ONLY = frozenset({Modality.TEXT})
# Which part of a chat carries what.
KINDS: Mapping[str, Modality] = {
    "image_url": Modality.IMAGE,
    "input_audio": Modality.AUDIO,
    "video_url": Modality.VIDEO,
}
# What data begins with, where that is, and which type it is then.
_MARKS: Sequence[tuple[int, bytes, str]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
)
# Names that clients use of the same things.
_SAME = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
}
_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg"}


@dataclass(frozen=True, slots=True)
class Media:
    """What of a chat is no text: which kinds, and where that is which is elsewhere."""

    modalities: frozenset[Modality] = frozenset()
    urls: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.modalities)


NO_MEDIA = Media()


def media_of(parts: Sequence[tuple[str, JsonObject]]) -> Media:
    """Check the parts of a chat that are media, each with its place in the request."""
    if not parts:
        return NO_MEDIA
    if len(parts) > PARTS_MAX:
        raise InvalidRequest(
            f"A chat may hold up to {PARTS_MAX} images and other media.",
            param="messages",
        )
    urls: list[str] = []
    for param, part in parts:
        url = _checked(part, f"{param}.{part['type']}")
        if url is not None:
            urls.append(url)
    kinds = frozenset(KINDS[part["type"]] for _, part in parts)
    return Media(kinds, tuple(urls))


def type_of(head: bytes, modality: Modality) -> str | None:
    """Return the type of data of one kind by its first bytes; None for another's."""
    for start, mark, kind in _MARKS:
        if head.startswith(mark, start) and kind.startswith(modality.value):
            return kind
    return None


def _checked(part: JsonObject, param: str) -> str | None:
    """Check one part; return its address if it is elsewhere."""
    name: str = part["type"]
    value = part.get(name)
    known = {"data", "format"} if name == "input_audio" else {"detail", "url"}
    if not is_object(value) or part.keys() != {"type", name} or value.keys() - known:
        raise InvalidRequest(
            f"'{param}' must be an object of {' and '.join(sorted(known))}, and alone"
            " in its part.",
            param=param,
        )
    modality = KINDS[name]
    if modality is Modality.AUDIO:
        kind = _FORMATS.get(_text(value, "format", param))
        _check_data(_text(value, "data", param), kind, modality, param=param)
        return None
    if value.get("detail") not in (None, *_DETAILS):
        raise InvalidRequest(
            f"'{param}.detail' must be one of {', '.join(sorted(_DETAILS))}.",
            param=f"{param}.detail",
        )
    url = _text(value, "url", param)
    if opening := _DATA.match(url[:128]):
        kind = opening[1].lower()
        data = url[opening.end() :]
        _check_data(data, _SAME.get(kind, kind), modality, param=param)
        return None
    if not url[:8].lower() == "https://" or len(url) > URL_CHARACTERS_MAX:
        raise InvalidRequest(
            f"'{param}.url' must be 'data:TYPE;base64,…', or an https address.",
            param=f"{param}.url",
        )
    return url


def _check_data(
    data: str, claimed: str | None, modality: Modality, *, param: str
) -> None:
    if len(data) * 3 // 4 > PART_BYTES_MAX + 2:
        raise InvalidRequest(
            f"'{param}' is larger than {PART_BYTES_MAX:,} bytes.", param=param
        )
    try:
        head = binascii.a2b_base64(data[:_HEAD_CHARACTERS])
        # Decoders differ in what they forgive: what all of them read is taken.
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise InvalidRequest(f"'{param}' is no base64.", param=param) from None
    if claimed is None or type_of(head, modality) != claimed:
        raise InvalidRequest(
            f"'{param}' does not hold {modality.value} data of the type it claims, or"
            " of one that is taken.",
            param=param,
            code="unsupported_content",
        )


def _text(value: Mapping[str, Any], name: str, param: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise InvalidRequest(
            f"'{param}.{name}' must be text that is not empty.", param=f"{param}.{name}"
        )
    return text
