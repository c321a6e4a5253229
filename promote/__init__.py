"""Deploy an AWS Lambda function, verify it, and promote it on success.

The modules, from the door down; imports point down only:

- ``action``: environ in, exit code out; the one error boundary
- ``commands``: a short file a command, each reads like the protocol
- ``pipeline``: deploy, verify, promote
- ``verify``, ``report``: kinds of checks; what a person reads
- ``function``, ``endpoint``, ``lock``, ``ledger``, ``artifact``, ``github``, ``workflow``: one outside thing each
- ``aws``: clients, and what AWS's errors mean
- ``inputs``, ``context``, ``check``, ``model``, ``errors``, ``clock``: frozen values
"""

__version__ = "0.1.0"
