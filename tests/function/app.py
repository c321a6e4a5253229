"""The function that the tests deploy, and change as a developer would."""

import json


def handler(event, _context):
    path = event["rawPath"]
    if path == "/health":
        return answer(200, {"status": "ok"})
    if path == "/greeting":
        name = (event.get("queryStringParameters") or {}).get("name", "world")
        return answer(200, {"greeting": f"Hello, {name}!"})
    return answer(404, {"error": f"nothing is at {path}"})


def answer(status, body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
