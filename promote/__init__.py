"""Deploy an AWS Lambda function, verify it, and promote it on success.

The modules, from the door down; imports point down only:

- ``action``: environ in, exit code out; the one error boundary
- ``commands``: a short file a command, each reads like the protocol
- ``pipeline``: deploy, verify, promote
- ``announce``: what follows a promotion: notes, and GitHub's record of it
- ``verify``, ``notes``, ``report``: kinds of checks; release notes; what a person reads
- ``target``: what a run works on, read before it is changed, held under the lock
- ``function``, ``gateway``, ``endpoint``, ``http``, ``lock``, ``ledger``, ``table``, ``artifact``, ``history``,
  ``github``, ``deployments``, ``releases``, ``rest``, ``workflow``: one outside thing each
- ``aws``: clients, and what AWS's errors mean; ``streaming``: what they send from disk
- ``archive``: a directory as a .zip; ``workspace``: which paths lead into the repository
- ``inputs``, ``context``, ``check``, ``commits``, ``tags``, ``snapshot``, ``model``, ``errors``, ``clock``: frozen
  values
"""

__version__ = "0.1.0"
