"""The parts of an ARN, which name where a function is."""

import hashlib
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Arn:
    """An ARN: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the parts of a valid ARN."""
        _, partition, service, region, account, resource = text.split(":", 5)
        return cls(partition, service, region, account, resource)

    def of_api(self, api: str) -> str:
        """Return the ARN of all requests to the HTTP API ``api`` in the same account and region."""
        return f"arn:{self.partition}:execute-api:{self.region}:{self.account}:{api}/*"

    @property
    def place(self) -> str:
        """A short name for its region and account, for pages that others can read. It does not show the account."""
        digest = hashlib.sha256(f"{self.partition}:{self.region}:{self.account}".encode()).hexdigest()
        return f"{self.region}-{digest[:8]}"

    @property
    def account_end(self) -> str:
        """The end of its account, for the same pages: it distinguishes two accounts, and does not show them."""
        return f"…{self.account[-4:]}"
