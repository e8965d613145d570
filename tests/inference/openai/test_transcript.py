"""The text that no usage covers: by choice, as it came, and as the client has it."""

from typing import Any

from inference.openai.transcript import Transcript


def delta(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": fields}


def test_all_that_a_model_writes_is_text() -> None:
    transcript = Transcript()
    transcript.add(0, delta(role="assistant", content=""))
    assert not transcript
    calls = [{"index": 0, "function": {"name": "look", "arguments": "{}"}}, {}, None]
    transcript.add(0, delta(content="a", reasoning="b", tool_calls=calls))
    transcript.add(1, {"index": 1, "text": "c"})
    transcript.add(1, {"index": 1, "text": None, "delta": "odd"})
    assert transcript.generated() == ["ablook{}", "c"]


def test_text_in_parts_is_text() -> None:
    transcript = Transcript()
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}
    transcript.add(0, delta(content=[thought, {"type": "text", "text": "so"}, None]))
    transcript.add(0, delta(function_call={"name": "look", "arguments": "{}"}))
    assert transcript.generated() == ["whysolook{}"]
    nested: Any = "deep"
    for _ in range(400):
        nested = [{"text": nested}]
    transcript.add(1, delta(content=nested))
    assert transcript.generated() == ["whysolook{}"]


def test_reasoning_under_both_of_its_names_is_written_once() -> None:
    transcript = Transcript()
    transcript.add(0, delta(reasoning="why", reasoning_content="why", content="a"))
    transcript.add(0, delta(reasoning_content="b"))
    assert transcript.generated() == ["awhyb"]


def test_only_what_was_handed_over_is_delivered() -> None:
    transcript = Transcript()
    transcript.add(0, delta(content="got "))
    transcript.handed_over()
    transcript.add(0, delta(content="not got"))
    assert transcript.delivered() == ["got "]
    assert transcript.generated() == ["got not got"]


def test_usage_covers_its_choice_or_all() -> None:
    transcript = Transcript()
    for index in (0, 1):
        transcript.add(index, {"text": f"covered {index}"})
    transcript.cover(0)
    transcript.handed_over()
    assert transcript.delivered() == transcript.generated() == ["covered 1"]
    transcript.add(0, {"text": "anew"})
    transcript.cover()
    transcript.handed_over()
    assert transcript.delivered() == transcript.generated() == []
    assert transcript


def test_what_was_handed_over_before_usage_came_stays_delivered_until_the_next() -> (
    None
):
    transcript = Transcript()
    transcript.add(0, {"text": "the client has this"})
    transcript.handed_over()
    # The engine's count has come, but the client has left before what came with it.
    transcript.cover()
    assert transcript.delivered() == ["the client has this"]
    assert transcript.generated() == []


def test_a_whole_answer_is_handed_over_as_a_whole() -> None:
    answer = {"choices": [{"message": {"content": "x"}}, {"text": "y"}, None]}
    assert Transcript.of_answer(answer).delivered() == ["x", "y"]
    assert not Transcript.of_answer({"choices": None})
