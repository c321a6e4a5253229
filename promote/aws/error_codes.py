"""What error codes of AWS mean, and what to do about them, as far as AWS documents it.

Lambda: the errors of each operation in https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html, quotas in
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. STS:
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html. DynamoDB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """The meaning of an error code."""

    cause: str
    hint: str


_SIGN = "Sign the archive with an allowed signing profile (AWS Signer), or change the function's code signing config."
_KEY = "Ask the owner of the KMS key of the function."
_VPC = "Correct the VPC configuration of the function, or the permissions of its role."
_FILES = "Check the file system, its mount targets and security groups, and the permissions of the function's role."
_QUOTA = "Request a higher quota in Service Quotas, or delete what is not needed."
_CODE = "Deploy the code again, or check the state of the function in the AWS console."
_LARGE_EVENT = Meaning("the event is larger than Lambda accepts", "Make the event smaller.")
_INVALID_TOKEN = Meaning(
    "AWS does not accept the token of the web identity",
    "Create the OIDC provider of GitHub in this AWS account, with the audience sts.amazonaws.com.",
)

MEANINGS: Mapping[str, Meaning] = {
    # Deployments
    "CodeSigningConfigNotFoundException": Meaning("the code signing config of the function does not exist", _SIGN),
    "CodeVerificationFailedException": Meaning("the code has no valid signature, and the function requires one", _SIGN),
    "InvalidCodeSignatureException": Meaning("the code does not match its signature", _SIGN),
    "CodeStorageExceededException": Meaning(
        "the functions and layers of the account use all of its storage for code in this region",
        "Delete old versions, for example with the input keep-versions, or request a higher quota in Service Quotas.",
    ),
    "RequestEntityTooLargeException": Meaning(
        "the request is larger than Lambda accepts",
        "Make the archive smaller, or set the input artifact-bucket so that Lambda reads it from S3.",
    ),
    "InvalidZipFileException": Meaning("Lambda cannot unpack the archive", "Build the archive again."),
    "AliasLimitExceededException": Meaning("the function has as many aliases as its quota allows", _QUOTA),
    "CapacityProviderLimitExceededException": Meaning("the account has too many capacity providers", _QUOTA),
    "FunctionVersionsPerCapacityProviderLimitExceededException": Meaning(
        "the capacity provider has as many function versions as its quota allows", _QUOTA
    ),
    "ServiceQuotaExceededException": Meaning("the request would exceed a quota", _QUOTA),
    # Permissions of a function
    "PolicyLengthExceededException": Meaning(
        "the resource-based policy of the function, version or alias is full",
        "Remove statements that are not needed (aws lambda get-policy, aws lambda remove-permission).",
    ),
    "PublicPolicyException": Meaning(
        "the statement would make the function public, and the account blocks that",
        "Change the block of public access, or set endpoints: none.",
    ),
    # Encryption
    "KMSAccessDeniedException": Meaning(
        "Lambda may not decrypt the environment variables with the KMS key of the function",
        f"Allow kms:Decrypt on the key for the role of the function. {_KEY}",
    ),
    "KMSDisabledException": Meaning("the KMS key of the function is disabled", f"Enable the key. {_KEY}"),
    "KMSInvalidStateException": Meaning(
        "the KMS key of the function is in a state in which it cannot decrypt", f"Check the state of the key. {_KEY}"
    ),
    "KMSNotFoundException": Meaning(
        "the KMS key of the function does not exist",
        f"Set another key (aws lambda update-function-configuration). {_KEY}",
    ),
    # Networks and file systems
    "EC2AccessDeniedException": Meaning("the role of the function may not configure its VPC", _VPC),
    "EC2UnexpectedException": Meaning("Amazon EC2 failed when Lambda set up the VPC of the function", _VPC),
    "ENILimitReachedException": Meaning(
        "the VPC has no network interface left for the function", "Request a higher quota for network interfaces."
    ),
    "ENINotReadyException": Meaning(
        "the network interface of the function is not ready yet", "Wait a few minutes, and run the job again."
    ),
    "InvalidSecurityGroupIDException": Meaning("a security group of the function does not exist", _VPC),
    "InvalidSubnetIDException": Meaning("a subnet of the function does not exist", _VPC),
    "SubnetIPAddressLimitReachedException": Meaning(
        "the subnets of the function have no free IP address", "Add larger subnets to the VPC configuration."
    ),
    "EFSIOException": Meaning("the file system of the function cannot be read or written", _FILES),
    "EFSMountConnectivityException": Meaning("the function cannot connect to its file system", _FILES),
    "EFSMountFailureException": Meaning("the function may not mount its file system", _FILES),
    "EFSMountTimeoutException": Meaning("the function did not mount its file system in time", _FILES),
    "S3FilesMountConnectivityException": Meaning("the function cannot connect to its S3 Files access point", _FILES),
    "S3FilesMountFailureException": Meaning("the function may not mount its S3 Files access point", _FILES),
    "S3FilesMountTimeoutException": Meaning("the function did not mount its S3 Files access point in time", _FILES),
    # Invocations
    "CodeArtifactUserDeletedException": Meaning("Lambda has deleted the user of the function's code", _CODE),
    "CodeArtifactUserFailedException": Meaning("Lambda could not create the user of the function's code", _CODE),
    "InvalidRuntimeException": Meaning(
        "Lambda does not support the runtime of the function", "Set the input runtime to one that Lambda supports."
    ),
    "RuntimeAliasDeletedException": Meaning(
        "the runtime of the function is no longer available", "Set the input runtime to one that Lambda supports."
    ),
    "RuntimeVersionDeletedException": Meaning(
        "the runtime version of the function is no longer available", "Update its runtime management configuration."
    ),
    "ModeNotSupportedException": Meaning(
        "the function does not support synchronous invocations", "Verify it with checks, tests or test-command instead."
    ),
    "RecursiveInvocationException": Meaning(
        "Lambda has stopped the function because it invokes itself in a loop", "Correct the code of the function."
    ),
    "RequestTooLargeException": _LARGE_EVENT,
    "SerializedRequestEntityTooLargeException": _LARGE_EVENT,
    "SnapStartException": Meaning(
        "the function failed when Lambda restored its snapshot", "Look at the log of the function in CloudWatch."
    ),
    "SnapStartRegenerationFailureException": Meaning(
        "Lambda could not create the snapshot of the function again", _CODE
    ),
    "SnapStartTimeoutException": Meaning(
        "Lambda did not restore the snapshot of the function in time", "Make the restore hook of the function faster."
    ),
    # Credentials of a web identity
    "IDPRejectedClaim": Meaning(
        "the identity provider rejects the token",
        "The token has expired or was revoked. Run aws-actions/configure-aws-credentials right before this step.",
    ),
    "InvalidIdentityToken": _INVALID_TOKEN,
    "InvalidIdentityTokenException": _INVALID_TOKEN,
    "MalformedPolicyDocument": Meaning("the session policy is not valid", "Correct the policy of the session."),
    "PackedPolicyTooLarge": Meaning("the session policies and tags are too large", "Use fewer of them."),
    "RegionDisabledException": Meaning(
        "STS is not active for the account in this region", "Activate it in the account settings of IAM."
    ),
    "OptInRequired": Meaning("the account has not activated this service or region", "Activate it in the account."),
    # Table and bucket
    "ItemCollectionSizeLimitExceededException": Meaning(
        "the records of the function take more than 10 GB, and the table has a local index", "Remove the local index."
    ),
    "LimitExceededException": Meaning(
        "too many tables are created or changed at the same time, or the account has as many as its quota allows",
        "Wait a few minutes, and run the job again. If it fails again, request a higher quota in Service Quotas.",
    ),
}
"""The meaning of each code, by the code."""

_NO_KEY = Meaning(
    "AWS could not get the keys of the identity provider, with which it checks the token",
    "Wait a few minutes, and run the job again. If it fails again, check that the URL of the OIDC provider in this AWS "
    "account is https://token.actions.githubusercontent.com.",
)

_BY_MESSAGE: Mapping[str, tuple[re.Pattern[str], Meaning]] = {
    **dict.fromkeys(
        ("InvalidIdentityToken", "InvalidIdentityTokenException"),
        (re.compile("retrieve verification key", re.IGNORECASE), _NO_KEY),
    ),
    "LimitExceededException": (
        re.compile("simultaneous|concurrent|too many operations", re.IGNORECASE),
        Meaning(
            "too many tables are created or changed at the same time", "Wait a few minutes, and run the job again."
        ),
    ),
}
"""The other meaning of a code that has two, and the pattern of its messages."""

PASSING = frozenset(
    {
        "IDPCommunicationError",
        "IDPCommunicationErrorException",
        "IncompleteBody",
        "ReplicatedWriteConflictException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ResourceInUseException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Codes with the status 400 after which the same request may succeed later.

S3: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (IncompleteBody, RequestTimeout).
"""


def meaning_of(code: str, message: str) -> Meaning | None:
    """Return the meaning of an error; None if its code is not in the table."""
    pattern, other = _BY_MESSAGE.get(code, (None, None))
    return other if pattern and pattern.search(message) else MEANINGS.get(code)
