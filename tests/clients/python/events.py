"""The operator's event stream, beside a generated client: a reader of Server-Sent Events (WHATWG HTML, section 9.2),
and what keeps the stream open."""

import codecs
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0


@dataclass(frozen=True)
class ServerSentEvent:
    """An event; `id` is the cursor to continue after, that of the event before where this one has none."""

    id: str
    event: str
    data: str


def lines(body: Iterable[bytes]) -> Iterator[str]:
    """The lines of a body, which end with CR LF, LF or CR. One whose end has not come is dropped."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    rest = ""
    for chunk in body:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from whole


def server_sent_events(body: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """The events of a body. An event whose end has not come is dropped."""
    event_id, event, data = "", "", list[str]()
    for line in lines(body):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield ServerSentEvent(event_id, event or "message", "\n".join(data))
            event, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            event = value
        elif field == "id":
            event_id = value


def follow(
    open_stream: Callable[[str], AbstractContextManager[Iterable[bytes]]],
    last_event_id: str,
    broken: type[Exception],
) -> Iterator[ServerSentEvent]:
    """The events after a cursor, over as many connections as that takes: `broken` is what one that breaks raises. What
    else `open_stream` raises, for a refusal, after which a repeated request gets the same answer, ends it."""
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            with open_stream(last_event_id) as body:
                for event in server_sent_events(body):
                    yield event
                    # The event is dealt with now. Store this cursor where it outlives the program.
                    last_event_id = event.id or last_event_id
                    delay = FIRST_DELAY_SECONDS
        except broken:
            pass
        time.sleep(delay * random.uniform(0.5, 1))
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)
