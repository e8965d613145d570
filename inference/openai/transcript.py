"""The text of an answer that no usage covers yet: what a tokenizer would have to count.

An engine with running usage covers every chunk, and nothing is kept. One that reports
only at the end, or never, leaves text here, in memory and for this request alone. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.json_values import is_array, is_object

# Of a chat's delta.
_TEXT_FIELDS = ("content", "refusal")
# Of a part, where a content is a list of them.
_PART_FIELDS = ("text", "thinking", "refusal")
_PARTS_DEPTH_MAX = 2
# Engines write the reasoning under either name, and some the same under both.
_REASONING_FIELDS = ("reasoning", "reasoning_content")

# By choice: how many pieces there were, and how many of them usage had covered.
Marks = Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class _Choice:
    """Pieces of one choice's text, and how many of them usage has covered."""

    pieces: list[str] = field(default_factory=list)
    covered: int = 0
    # As both stood when the client last had all of it.
    handed_pieces: int = 0
    handed_covered: int = 0
    uncovered_bytes: int = 0

    def text(self, start: int, end: int) -> str:
        """Return the pieces from `start` to `end` as one text."""
        return "".join(self.pieces[start:end])


class Transcript:
    """Text by choice: what came, what usage covers, what the client has."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def __bool__(self) -> bool:
        """Tell whether any text came that no usage covered at the time."""
        return bool(self._choices)

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> "Transcript":
        """Return the transcript of a whole answer, handed over as a whole."""
        transcript = cls()
        choices = answer.get("choices")
        for number, choice in enumerate(choices if is_array(choices) else ()):
            if is_object(choice):
                transcript.add(number, choice)
        transcript.handed_over()
        return transcript

    def add(self, index: int, choice: Mapping[str, Any]) -> None:
        """Take in the text that a choice's chunk, or a whole choice, carries."""
        pieces = list(_texts(choice))
        if pieces:
            known = self._choices.setdefault(index, _Choice())
            known.pieces.extend(pieces)
            known.uncovered_bytes += sum(map(_bytes_of, pieces))

    @property
    def uncovered_bytes(self) -> int:
        """Return the size of the text that no usage covers."""
        return sum(choice.uncovered_bytes for choice in self._choices.values())

    def cover(self, index: int | None = None) -> None:
        """Note that usage has covered all text of a choice, or of every one."""
        for number, choice in self._choices.items():
            if index is None or number == index:
                choice.covered = len(choice.pieces)
                choice.uncovered_bytes = 0

    def marks(self) -> Marks:
        """Return how it stands now, to be handed over later."""
        return {
            number: (len(choice.pieces), choice.covered)
            for number, choice in self._choices.items()
        }

    def handed_over(self, marks: Marks | None = None) -> None:
        """Note that the client has all that came, or all that had come at the marks."""
        if marks is None:
            marks = self.marks()
        for number, (pieces, covered) in marks.items():
            choice = self._choices[number]
            choice.handed_pieces, choice.handed_covered = pieces, covered

    def delivered(self) -> list[str]:
        """Return the text that the client has beyond what usage said it has."""
        return [
            text
            for choice in self._choices.values()
            if (text := choice.text(choice.handed_covered, choice.handed_pieces))
        ]

    def generated(self) -> list[str]:
        """Return the text that came beyond what usage covers."""
        return [
            text
            for choice in self._choices.values()
            if (text := choice.text(choice.covered, len(choice.pieces)))
        ]


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _texts(choice: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(text := choice.get("text"), str) and text:
        yield text
    delta = choice.get("delta") or choice.get("message")
    if not is_object(delta):
        return
    for name in _TEXT_FIELDS:
        yield from _words(delta.get(name))
    for name in _REASONING_FIELDS:
        if isinstance(text := delta.get(name), str) and text:
            yield text
            break
    calls = delta.get("tool_calls")
    functions = [
        call.get("function")
        for call in (calls if is_array(calls) else ())
        if is_object(call)
    ]
    for function in (*functions, delta.get("function_call")):
        if not is_object(function):
            continue
        for name in ("name", "arguments"):
            if isinstance(text := function.get(name), str) and text:
                yield text


def _words(said: object, *, depth: int = 0) -> Iterator[str]:
    """Find the text of a content: some services write parts, and parts of thoughts."""
    if isinstance(said, str):
        if said:
            yield said
    elif is_array(said) and depth < _PARTS_DEPTH_MAX:
        for part in said:
            for name in _PART_FIELDS if is_object(part) else ():
                yield from _words(part.get(name), depth=depth + 1)
