"""An HTTP API in one Lambda function, with a greeting and a health check."""

import json


def handler(event, _context):
    """Handle an API Gateway request (payload format 2.0)."""
    path = event["rawPath"]
    if path == "/health":
        return answer(200, {"status": "ok"})
    if path == "/greeting":
        return answer(200, {"greeting": greeting(event.get("queryStringParameters") or {})})
    return answer(404, {"error": f"nothing is at {path}"})


def greeting(query):
    """Return the greeting for the query."""
    hello = "Hello"
    return f"{hello}, {query.get('name', 'world')}!"


def answer(status, body):
    """Return a response for API Gateway."""
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
