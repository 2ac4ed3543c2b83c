# ogen makes no type that no operation uses. This adds a webhook, which no one calls, that uses those of the socket's
# frames and of the operator's events.
def json(name): {description: "", content: {"application/json": {schema: {"$ref": "#/components/schemas/\(name)"}}}};
.webhooks.types.post = {
    operationId: "types",
    requestBody: json("ClientFrame"),
    responses: {"200": json("ServerFrame"), "201": json("OperatorEvent")}
}
