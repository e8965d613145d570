"""An answer's head says what it says, and nothing of it writes the rest."""

import pytest

from inference.gateway.connection import Downstream, RequestHead


class Line:
    """A connection, as much of it as a head needs."""

    date_line = b"date: today\r\n"

    def __init__(self) -> None:
        self.transport = self
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data


def asked(line: Line) -> Downstream:
    head = RequestHead("GET", "/", b"/", [], None)
    return Downstream(line, head)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["x-model", "x-mo\rdel", "x-mo\ndel"])
@pytest.mark.parametrize("value", ["a model", "a\r\nmodel: b", "a\nb", "a\rb"])
def test_header_with_a_line_break_is_never_written(name: str, value: str) -> None:
    line = Line()
    client = asked(line)
    is_clean = not {"\r", "\n"} & {*name, *value}

    if is_clean:
        client.begin(200, [(b"content-length", b"0")], {name: value})
        client.send_head()
        assert b"x-model: a model\r\n" in line.written
    else:
        with pytest.raises(ValueError, match="line break"):
            client.begin(200, [(b"content-length", b"0")], {name: value})
        client.send_head()
        assert not line.written


@pytest.mark.parametrize("value", [b"1\n", b"1\r", b"1\r\nx: y"])
def test_servers_header_with_a_line_break_is_never_written(value: bytes) -> None:
    line = Line()
    client = asked(line)

    with pytest.raises(ValueError, match="line break"):
        client.begin(200, [(b"x-served-by", value)], {})
    client.send_head()

    assert not line.written
