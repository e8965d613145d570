"""Work on several things at once, in threads that end with the work.

Failure: what the work raises ends its thread and is raised by none: work catches what
is its own. Connections to the database are closed with their thread.
"""

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def each_at_once(
    rows: Iterable[T], work: Callable[[Iterable[T]], None], *, at_once: int, most: int
) -> None:
    """Have `work` take rows from one iterator, in at most so many threads.

    `most` is how many rows there are. The database role in force is theirs too.
    """
    if at_once == 1 or most <= 1:
        work(rows)
        return
    left = _shared(rows)

    def work_and_close() -> None:
        try:
            work(left)
        finally:
            connections.close_all()

    threads = [
        # The role in force is the context's.
        threading.Thread(target=contextvars.copy_context().run, args=(work_and_close,))
        for _ in range(min(at_once, most))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _shared(rows: Iterable[T]) -> Iterator[T]:
    """Return an iterator that threads may share."""
    lock, left = threading.Lock(), iter(rows)

    class Shared(Iterator[T]):
        def __next__(self) -> T:
            with lock:
                return next(left)

    return Shared()
