"""Drives the client of openapi-generator: `OPERATOR_KEY=<key> python driver.py <base-url>`.

Prints what it met as one JSON object.
"""

import base64
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from connect_socket import (
    AcceptedFrame,
    AckFrame,
    ApiClient,
    ApiException,
    Channel,
    ClientFrame,
    Configuration,
    ConnectSocketRequest,
    ExpiredEvent,
    GapEvent,
    HelloFrame,
    OperatorApi,
    OperatorEvent,
    OperatorMessageFrame,
    Problem,
    ProspectApi,
    ProspectMessageFrame,
    SendMessageRequest,
    ServerFrame,
    TokenRequest,
)
from events import follow
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

DEVICE = "my_deviceTag"
HALF_REF = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
PATIENCE_SECONDS = 20
# A comment comes every 15 seconds.
STREAM_SILENCE_SECONDS = 45
KINDS = ["connected", "message", "disconnected", "expired"]
Frame = TypeVar("Frame", HelloFrame, OperatorMessageFrame, AcceptedFrame)

base_url = sys.argv[1]
problems: list[dict[str, object]] = []


def api(token: str | None = None) -> ProspectApi:
    keys = {"token": token} if token else None
    return ProspectApi(ApiClient(Configuration(host=base_url, api_key=keys)))


def meet(call: Callable[[], object]) -> bool:
    """Whether the call is refused; the refusal is kept."""
    try:
        call()
        return False
    except ApiException as refusal:
        problem = refusal.data
        if not isinstance(problem, Problem):
            raise
        problems.append(
            {
                "type": problem.type,
                "title": problem.title,
                "status": problem.status,
                "detail": problem.detail,
                "success": problem.success,
                "requestId": problem.request_id,
                "errors": [
                    {"pointer": error.pointer, "code": error.code, "detail": error.detail}
                    for error in problem.errors or []
                ],
            }
        )
        return True


def receive(socket: ClientConnection, kind: type[Frame]) -> Frame:
    """The next frame, which is to be of this kind."""
    frame = ServerFrame.from_json(str(socket.recv(PATIENCE_SECONDS))).actual_instance
    if not isinstance(frame, kind):
        raise TypeError(f"not a {kind.__name__}: {frame}")
    return frame


def send(socket: ClientConnection, frame: AckFrame | ProspectMessageFrame) -> None:
    socket.send(ClientFrame(frame).to_json())


token = api().request_token(TokenRequest(channel=Channel.TEST, device_tag=DEVICE)).token
prospect = api(token)
example = ConnectSocketRequest(half_ref=HALF_REF, device_tag=DEVICE)
prospect.connect_socket(example)
prospect.connect_socket(ConnectSocketRequest(half_ref=HALF_REF, device_tag=DEVICE, linkinjected=None))
prospect.connect_socket(
    ConnectSocketRequest(half_ref=HALF_REF, device_tag=DEVICE, linkinjected="https://example.com/friend")
)

operator = OperatorApi(ApiClient(Configuration(host=base_url, access_token=os.environ["OPERATOR_KEY"])))
encoded = base64.urlsafe_b64encode(HALF_REF.encode()).rstrip(b"=").decode()
with connect(
    f"{base_url.replace('http', 'ws', 1)}/prospect/socket",
    subprotocols=[Subprotocol("prospect.v1"), Subprotocol(f"halfref.{encoded}")],
) as socket:
    receive(socket, HelloFrame)
    queued = operator.send_message(DEVICE, SendMessageRequest(data={"text": "Hello, prospect"}))
    message = receive(socket, OperatorMessageFrame)
    assert message.seq == queued.seq
    send(socket, AckFrame(type="ack", seq=message.seq))
    send(socket, ProspectMessageFrame(type="message", id=str(uuid.uuid4()), data={"text": "Hello, operator"}))
    accepted = receive(socket, AcceptedFrame)
operator.send_message(DEVICE, SendMessageRequest(data="Too late", ttl_seconds=1))

meet(lambda: api("no-token").connect_socket(example))
meet(lambda: prospect.connect_socket(example))
device_data = {f"member{n}": n for n in range(65)}
meet(lambda: api().request_token(TokenRequest(channel=Channel.TEST, device_tag=DEVICE, device_data=device_data)))
for _ in range(50):
    fresh = ConnectSocketRequest(half_ref=str(uuid.uuid4()), device_tag=DEVICE)
    if meet(lambda: prospect.connect_socket(fresh)):
        break


@contextmanager
def open_events(last_event_id: str) -> Iterator[Iterable[bytes]]:
    timeouts = (PATIENCE_SECONDS, STREAM_SILENCE_SECONDS)
    opened: BaseHTTPResponse = operator.stream_events_without_preload_content(
        last_event_id, _request_timeout=timeouts
    )
    with opened:
        if opened.status != 200 and opened.status != 429 and opened.status < 500:
            raise ApiException.from_response(http_resp=opened, body=opened.data.decode(), data=None)
        yield iter(opened.read1, b"")


events: list[dict[str, object]] = []
for event in follow(open_events, "0", HTTPError):
    if event.event not in KINDS:
        continue
    read = OperatorEvent.from_json(event.data)
    events.append({"id": event.id, "data": json.loads(read.to_json())})
    if isinstance(read.actual_instance, ExpiredEvent):
        break
operator.release_events(str(events[-1]["id"]))
gap = OperatorEvent.from_json(next(follow(open_events, str(events[0]["id"]), HTTPError)).data).actual_instance
assert isinstance(gap, GapEvent)

print(
    json.dumps(
        {
            "received": message.data,
            "accepted": accepted.id,
            "typed": True,
            "problems": problems,
            "events": events,
            "gap": json.loads(gap.to_json()),
        }
    )
)
