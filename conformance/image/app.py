"""The function of the kit. It answers with the stamp of its code, or else of its environment variables."""

import json
import os

STAMP = ""


def handler(_event, context):
    body = json.dumps({"stamp": STAMP or os.environ.get("STAMP", ""), "version": context.function_version})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
