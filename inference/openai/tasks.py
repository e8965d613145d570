"""What an engine is asked to do: fewer things than there are surfaces to ask by."""

import enum


class Task(enum.StrEnum):
    """A kind of call to an engine. Values are stored with served models."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    SCORE = "score"

    @property
    def generates(self) -> bool:
        """Tell whether tokens come of it; else it only reads its prompts."""
        return self in GENERATING


GENERATING = frozenset({Task.CHAT, Task.COMPLETION})
# Their texts are read in pairs.
PAIRED = frozenset({Task.RERANK, Task.SCORE})
