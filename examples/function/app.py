"""An HTTP API in one Lambda function: it greets, and says whether it is well."""

import json


def handler(event, _context):
    """Answer an API Gateway request (payload format 2.0)."""
    path = event["rawPath"]
    if path == "/health":
        return answer(200, {"status": "ok"})
    if path == "/greeting":
        return answer(200, {"greeting": greeting(event.get("queryStringParameters") or {})})
    return answer(404, {"error": f"nothing is at {path}"})


def greeting(query):
    """Greet the one whom the query names."""
    hello = "Hello"
    return f"{hello}, {query.get('name', 'world')}!"


def answer(status, body):
    """Give an answer of API Gateway's form."""
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
