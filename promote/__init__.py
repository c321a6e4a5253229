"""Deploy an AWS Lambda function, verify it, and promote it on success.

``action`` is the entry: environ in, exit code out. The packages, from the top down; imports point down only:

- ``commands``: one file per command
- ``pipeline``: the steps of a release
- ``notes``, ``state``, ``verification``: release notes; the DynamoDB table; the kinds of check
- ``github``, ``aws``, ``inputs``: GitHub; AWS; inputs and ``promote.yml``
- ``core``: values and decisions, without effects
"""

__version__ = "0.1.0"
