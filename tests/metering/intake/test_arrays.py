"""What is packed here is what PostgreSQL reads."""

import struct
from typing import Any
from uuid import UUID

import pytest

from kit.postgres import connect
from metering.intake.arrays import packed, register_arrays

IDS = [UUID(int=0), UUID(int=2**128 - 1)]
COLUMNS: list[tuple[str, list[Any]]] = [
    ("bigint", [-(2**63), -1, 0, 2**63 - 1]),
    ("integer", [-(2**31), 2**31 - 1]),
    ("smallint", [-(2**15), 2**15 - 1]),
    ("boolean", [True, False, True]),
    ("bigint", [7] * 2000),
]


async def read_back(url: str, kind: str, values: list[Any]) -> list[Any]:
    connection = await connect(url, name="test arrays")
    async with connection:
        register_arrays(connection)
        cursor = await connection.execute(
            f"SELECT %b::{kind}[]", [packed(kind, values)]
        )
        row = await cursor.fetchone()
    assert row is not None
    result: list[Any] = row[0]
    return result


@pytest.mark.parametrize(("kind", "values"), COLUMNS)
async def test_a_column_arrives_as_it_was(
    url: str, kind: str, values: list[Any]
) -> None:
    assert await read_back(url, kind, values) == values


async def test_uuids_are_given_by_their_bytes(url: str) -> None:
    assert await read_back(url, "uuid", [each.bytes for each in IDS]) == IDS


@pytest.mark.parametrize(
    ("kind", "value"), [("bigint", 2**63), ("integer", 2**31), ("bigint", None)]
)
def test_what_does_not_fit_is_refused_here(kind: str, value: Any) -> None:
    with pytest.raises(struct.error):
        packed(kind, [value])
