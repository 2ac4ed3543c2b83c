"""Drives the client of openapi-generator: `OPERATOR_KEY=<key> python driver.py <base-url>`.

Prints what it met as one JSON object.
"""

import base64
import json
import os
import sys
import uuid
from collections.abc import Callable
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
    HelloFrame,
    OperatorApi,
    OperatorMessageFrame,
    Problem,
    ProspectApi,
    ProspectMessageFrame,
    SendMessageRequest,
    ServerFrame,
    TokenRequest,
)
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

DEVICE = "my_deviceTag"
HALF_REF = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
PATIENCE_SECONDS = 20
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

meet(lambda: api("no-token").connect_socket(example))
meet(lambda: prospect.connect_socket(example))
device_data = {f"member{n}": n for n in range(65)}
meet(lambda: api().request_token(TokenRequest(channel=Channel.TEST, device_tag=DEVICE, device_data=device_data)))
for _ in range(50):
    fresh = ConnectSocketRequest(half_ref=str(uuid.uuid4()), device_tag=DEVICE)
    if meet(lambda: prospect.connect_socket(fresh)):
        break

print(json.dumps({"received": message.data, "accepted": accepted.id, "typed": True, "problems": problems}))
