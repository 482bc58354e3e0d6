"""Work for several threads that the end of the program does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def begin(work: Callable[[T], R], items: Sequence[T], n_threads: int) -> list[Future[R]]:
    """Have all items worked on, several at once, in their order.

    The library's pool is joined before the program may end, so that one request to a server that
    does not answer would hold up an interrupt for as long.

    Args:
        work: What is done with an item; its error becomes that of the future.
        items: The items. Those whose future is cancelled before its turn are left out.
        n_threads: At most so many threads.

    Returns:
        A future for every item.
    """
    queue: SimpleQueue[tuple[Future[R], T]] = SimpleQueue()
    futures: list[Future[R]] = []
    for item in items:
        futures.append(Future())
        queue.put((futures[-1], item))

    def until_done() -> None:
        while True:
            try:
                future, item = queue.get_nowait()
            except Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    for n in range(min(n_threads, len(items))):
        threading.Thread(target=until_done, name=f"llm-{n}", daemon=True).start()
    return futures
