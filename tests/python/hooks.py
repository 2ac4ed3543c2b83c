"""Gives each Schemathesis case its credentials: the operator's key, or a token of the device that it speaks of."""

import json
import os
import re
import uuid

import requests
import schemathesis

DEVICE = "my_deviceTag"
TIMEOUT_SECONDS = 10

newest = {}
"""The newest token of each device, by `deviceTag`: requesting one may end those before it."""


@schemathesis.auth(refresh_interval=None).apply_to(operation_id=["requestToken", "connectSocket"])
class TokenOfDevice:
    """The token of the body's own device; to request one, only a device that has one already sends it."""

    def get(self, case, context):
        device = device_of(case)
        if context.operation.definition.raw["operationId"] == "requestToken":
            return newest.get(device)
        return newest.get(device) or request_token(case, device) or newest.get(DEVICE) or request_token(case, DEVICE)

    def set(self, case, data, context):
        case.headers["token"] = data


@schemathesis.auth(refresh_interval=None).apply_to(operation_id="revokeToken")
class TokenToRevoke:
    """A fresh token of a device that nothing else uses."""

    def get(self, case, context):
        return request_token(case, "to-be-revoked")

    def set(self, case, data, context):
        case.headers["token"] = data


@schemathesis.auth(refresh_interval=None).apply_to(
    lambda context: {"operatorKey": []} in context.operation.definition.raw.get("security", [])
)
class OperatorKey:
    """The key that the gateway was started with."""

    def get(self, case, context):
        return os.environ["OPERATOR_KEY"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes good values those of this gateway: a key that is new, and the id of an event of its stream."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if context.operation.definition.raw["operationId"] == "releaseEvents" and is_id(case.query):
        case.query["through"] = f"{stream(case)}-0"


def is_id(query):
    through = (query or {}).get("through")
    return isinstance(through, str) and len(through) <= 64


def stream(case):
    """The name of the event stream, which only a reader of the stream knows."""
    headers = {"Authorization": f"Bearer {os.environ['OPERATOR_KEY']}", "Last-Event-ID": "unknown"}
    url = f"{case.operation.base_url}/operator/events"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        gap = next(line for line in response.iter_lines() if line.startswith(b"data:"))
    return json.loads(gap[len(b"data:") :])["oldest"].rpartition("-")[0]


@schemathesis.hook
def after_call(context, case, response):
    """Keeps the token that a case of `requestToken` was given."""
    if case.operation.label == "PUT /token" and response.status_code == 200:
        newest[device_of(case)] = response.json()["token"]


def device_of(case):
    device = case.body.get("deviceTag") if isinstance(case.body, dict) else None
    return device if isinstance(device, str) else DEVICE


def request_token(case, device):
    """A token from the test channel, or `None` where the gateway does not take the device's name."""
    response = requests.put(
        f"{case.operation.base_url}/token",
        json={"channel": "test", "deviceTag": device},
        timeout=TIMEOUT_SECONDS,
    )
    if response.status_code != 200:
        return None
    newest[device] = response.json()["token"]
    return newest[device]
