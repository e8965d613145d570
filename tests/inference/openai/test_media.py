"""Media of a chat: by its first bytes, within its bounds, and never in a message."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.openai import media
from inference.openai.media import PART_BYTES_MAX, PARTS_MAX, Media, Modality
from inference.openai.prompt_bound import DEFAULT, bound
from inference.openai.requests import GenerationRequest, parse
from kit.contracts import Surface
from kit.errors import InvalidRequest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
HEADS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(24),
    "image/gif": b"GIF89a" + bytes(24),
    "image/webp": b"RIFF\0\0\0\0WEBP" + bytes(24),
}
ELSEWHERE = "https://images.example.com/a.png?secret=1"


def encoded(data: bytes) -> str:
    """Return data as base64."""
    return base64.b64encode(data).decode()


def image(url: str, **more: Any) -> dict[str, Any]:
    """Return a part that is a picture."""
    return {"type": "image_url", "image_url": {"url": url, **more}}


def picture(data: bytes = PNG, kind: str = "image/png", **more: Any) -> dict[str, Any]:
    """Return a part that holds its picture."""
    return image(f"data:{kind};base64,{encoded(data)}", **more)


def sound(data: bytes, kind: str) -> dict[str, Any]:
    """Return a part that is sound."""
    value = {"data": encoded(data), "format": kind}
    return {"type": "input_audio", "input_audio": value}


def chat(*parts: Any) -> GenerationRequest:
    """Read a chat of one message with these parts."""
    message = {"role": "user", "content": list(parts)}
    body = {"model": "m", "messages": [message]}
    return parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body))


def refusal(*parts: Any) -> InvalidRequest:
    """Return how a chat of these parts is refused."""
    with pytest.raises(InvalidRequest) as refused:
        chat({"type": "text", "text": "look"}, *parts)
    return refused.value


@pytest.mark.parametrize(("kind", "head"), HEADS.items())
def test_pictures_of_every_type_go_through_unchanged(kind: str, head: bytes) -> None:
    part = picture(head, kind, detail="low")
    request = chat({"type": "text", "text": "look"}, part)
    assert request.media == Media(frozenset({Modality.IMAGE}))
    assert request.payload["messages"][0]["content"][1] == part


def test_a_type_may_go_by_another_of_its_names() -> None:
    assert chat(picture(HEADS["image/jpeg"], "image/jpg")).media


def test_sound_and_films_are_told_apart() -> None:
    film = f"data:video/mp4;base64,{encoded(bytes(4) + b'ftypisom' + bytes(20))}"
    request = chat(
        sound(b"RIFF\0\0\0\0WAVE" + bytes(20), "wav"),
        sound(b"ID3" + bytes(20), "mp3"),
        {"type": "video_url", "video_url": {"url": film}},
    )
    assert request.media.modalities == {Modality.AUDIO, Modality.VIDEO}


def test_what_is_elsewhere_is_told() -> None:
    request = chat(picture(), image(ELSEWHERE, detail="high"))
    assert request.media == Media(frozenset({Modality.IMAGE}), (ELSEWHERE,))


def test_text_alone_is_no_media() -> None:
    request = chat({"type": "text", "text": "look"})
    assert request.media is media.NO_MEDIA
    assert not request.media


def test_of_media_only_the_context_is_a_bound() -> None:
    assert bound(chat(picture()), DEFAULT, context_tokens=777) == 777


@pytest.mark.parametrize(
    "part",
    [
        picture(HEADS["image/gif"], "image/png"),
        picture(b"<svg xmlns=''>" + bytes(20), "image/svg+xml"),
        picture(b"<svg xmlns=''>" + bytes(20), "image/png"),
        picture(b"%PDF-1.7" + bytes(20), "image/png"),
        picture(PNG, "video/mp4"),
        picture(PNG, "text/html"),
        picture(b"RIFF\0\0\0\0WAVE", "image/webp"),
        image("data:image/png;base64," + encoded(PNG)[:-1]),
        image("data:image/png;base64," + encoded(PNG) + "\n"),
        image("data:image/png;base64," + encoded(PNG) + "AAAA=AAA"),
        image("data:image/png;base64,"),
        image("data:image/png," + "%89PNG"),
        image("data:image/png;charset=x;base64," + encoded(PNG)),
        image("data:,hello"),
        image("http://images.example.com/a.png"),
        image("file:///etc/passwd"),
        image("ftp://example.com/a.png"),
        image("https:images.example.com"),
        image("//images.example.com/a.png"),
        image(""),
        image("https://example.com/" + "a" * 9000),
        image(["https://example.com/a.png"]),  # type: ignore[arg-type]
        {"type": "image_url", "image_url": ELSEWHERE},
        {"type": "image_url"},
        {"type": "image_url", "image_url": None},
        {**image(ELSEWHERE), "uuid": "shared"},
        image(ELSEWHERE, uuid="shared"),
        picture(detail="huge"),
        picture(detail=["low"]),
        sound(b"fLaC" + bytes(20), "flac"),
        sound(b"RIFF\0\0\0\0WAVE" + bytes(20), "mp3"),
        {"type": "input_audio", "input_audio": {"data": 5, "format": "wav"}},
        {"type": "audio_url", "audio_url": {"url": ELSEWHERE}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": ["image_url"]},
        {},
        5,
    ],
)
def test_what_is_no_media_that_is_taken_is_refused(part: Any) -> None:
    refused = refusal(part)
    assert (refused.param or "").startswith("messages[0].content")
    for secret in ("secret", "passwd", "example.com", encoded(PNG)[:12]):
        assert secret not in refused.message


def test_media_is_bounded_in_number_and_size() -> None:
    assert chat(*[picture()] * PARTS_MAX).media
    assert refusal(*[picture()] * (PARTS_MAX + 1)).param == "messages"
    largest = PNG + bytes(PART_BYTES_MAX - len(PNG))
    assert chat(picture(largest)).media
    assert "larger than 10,485,760" in refusal(picture(largest + bytes(3))).message


@given(st.text(max_size=200), st.sampled_from(["", "data:image/png;base64,", "https:"]))
def test_any_address_is_taken_or_refused_and_never_breaks(url: str, start: str) -> None:
    try:
        request = chat(image((start + url).encode(errors="ignore").decode()))
    except InvalidRequest:
        return
    assert request.media.urls or url.startswith("iVBORw0KGgo")


@given(st.binary(max_size=120), st.sampled_from(sorted(HEADS)))
def test_any_data_is_what_it_claims_or_refused(data: bytes, kind: str) -> None:
    try:
        chat(picture(data, kind))
    except InvalidRequest:
        return
    assert data[:3] in {head[:3] for head in HEADS.values()} or data[8:12] == b"WEBP"
