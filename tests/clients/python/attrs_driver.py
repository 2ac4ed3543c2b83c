"""Drives the client of openapi-python-client: `OPERATOR_KEY=<key> python attrs_driver.py <base-url>`.

Prints what it met as one JSON object.
"""

import base64
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import httpx
from connect_socket_client.api.operator import release_events, send_message
from connect_socket_client.api.prospect import connect_socket, request_token
from connect_socket_client.client import AuthenticatedClient
from connect_socket_client.models import (
    AcceptedFrame,
    AckFrame,
    AckFrameType,
    Channel,
    ConnectedEvent,
    ConnectSocketRequest,
    ConnectSocketResponse,
    DeviceData,
    DisconnectedEvent,
    ExpiredEvent,
    GapEvent,
    HelloFrame,
    MessageEvent,
    OperatorMessageFrame,
    Problem,
    ProspectMessageFrame,
    ProspectMessageFrameType,
    SendMessageRequest,
    SendMessageResponse,
    TokenRequest,
    TokenResponse,
)
from connect_socket_client.types import UNSET, Unset
from events import follow
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

DEVICE = "my_deviceTag"
HALF_REF = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
PATIENCE_SECONDS = 20
# A comment comes every 15 seconds.
STREAM_SILENCE_SECONDS = 45
Frame = TypeVar("Frame", HelloFrame, OperatorMessageFrame, AcceptedFrame)
# The client has a class for each frame and each event, and none for their unions.
TYPES = {HelloFrame: "hello", OperatorMessageFrame: "message", AcceptedFrame: "accepted"}

base_url = sys.argv[1]
problems: list[dict[str, object]] = []


class Written(Protocol):
    def to_dict(self) -> dict[str, object]: ...


EVENTS: dict[str, Callable[[dict[str, object]], Written]] = {
    "connected": ConnectedEvent.from_dict,
    "message": MessageEvent.from_dict,
    "disconnected": DisconnectedEvent.from_dict,
    "expired": ExpiredEvent.from_dict,
}


def prospect(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url, token=token, prefix="", auth_header_name="token")


def issue(device_data: DeviceData | Unset = UNSET) -> TokenResponse | Problem | None:
    request = TokenRequest(channel=Channel.TEST, device_tag=DEVICE, device_data=device_data)
    return request_token.sync(client=prospect(""), body=request)


def authorise(
    client: AuthenticatedClient, half_ref: str = HALF_REF, link: str | Unset | None = UNSET
) -> ConnectSocketResponse | Problem | None:
    request = ConnectSocketRequest(half_ref=half_ref, device_tag=DEVICE, linkinjected=link)
    return connect_socket.sync(client=client, body=request)


def meet(answer: object) -> bool:
    """Whether the answer is a problem, which is kept."""
    if isinstance(answer, Problem):
        problems.append({"errors": [], **answer.to_dict()})
    return isinstance(answer, Problem)


def receive(socket: ClientConnection, kind: type[Frame]) -> Frame:
    """The next frame, which is to be of this kind."""
    frame = json.loads(socket.recv(PATIENCE_SECONDS))
    if frame["type"] != TYPES[kind]:
        raise TypeError(f"not a {kind.__name__}: {frame}")
    return kind.from_dict(frame)


def send(socket: ClientConnection, frame: Written) -> None:
    socket.send(json.dumps(frame.to_dict()))


issued = issue()
assert isinstance(issued, TokenResponse)
device = prospect(issued.token)
for link in (UNSET, None, "https://example.com/friend"):
    assert isinstance(authorise(device, link=link), ConnectSocketResponse)

encoded = base64.urlsafe_b64encode(HALF_REF.encode()).rstrip(b"=").decode()
with connect(
    f"{base_url.replace('http', 'ws', 1)}/prospect/socket",
    subprotocols=[Subprotocol("prospect.v1"), Subprotocol(f"halfref.{encoded}")],
) as socket:
    receive(socket, HelloFrame)
    operator = AuthenticatedClient(base_url, token=os.environ["OPERATOR_KEY"])
    request = SendMessageRequest(data={"text": "Hello, prospect"})
    queued = send_message.sync(DEVICE, client=operator, body=request)
    assert isinstance(queued, SendMessageResponse)
    message = receive(socket, OperatorMessageFrame)
    assert message.seq == queued.seq
    send(socket, AckFrame(AckFrameType.ACK, message.seq))
    answer = {"text": "Hello, operator"}
    send(socket, ProspectMessageFrame(ProspectMessageFrameType.MESSAGE, str(uuid.uuid4()), answer))
    accepted = receive(socket, AcceptedFrame)
request = SendMessageRequest(data="Too late", ttl_seconds=1)
assert isinstance(send_message.sync(DEVICE, client=operator, body=request), SendMessageResponse)

meet(authorise(prospect("no-token")))
meet(authorise(device))
meet(issue(DeviceData.from_dict({f"member{n}": n for n in range(65)})))
for _ in range(50):
    if meet(authorise(device, str(uuid.uuid4()))):
        break


@contextmanager
def open_events(last_event_id: str) -> Iterator[Iterable[bytes]]:
    """The stream. (The generated function reads a body to its end, which does not come.)"""
    headers = {"Last-Event-ID": last_event_id}
    timeout = httpx.Timeout(PATIENCE_SECONDS, read=STREAM_SILENCE_SECONDS)
    client = operator.get_httpx_client()
    with client.stream("GET", "/operator/events", headers=headers, timeout=timeout) as opened:
        if opened.is_client_error and opened.status_code != 429:
            opened.raise_for_status()
        yield opened.iter_bytes()


read: list[tuple[str, Written]] = []
for event in follow(open_events, "0", httpx.TransportError):
    if event.event not in EVENTS:
        continue
    read.append((event.id, EVENTS[event.event](json.loads(event.data))))
    if event.event == "expired":
        break
released = release_events.sync_detailed(client=operator, through=read[-1][0])
assert released.status_code == 204
after = next(follow(open_events, read[0][0], httpx.TransportError))
assert after.event == "gap"

print(
    json.dumps(
        {
            "received": message.data,
            "accepted": accepted.id,
            "typed": True,
            "problems": problems,
            "events": [{"id": event_id, "data": event.to_dict()} for event_id, event in read],
            "gap": GapEvent.from_dict(json.loads(after.data)).to_dict(),
        }
    )
)
