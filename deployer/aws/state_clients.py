"""The clients that a shared state store is kept with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.aws.session import AwsSession


@dataclass(frozen=True)
class StateClients:
    """Makes the clients of `deployer.state` when they are needed, and names what they raise."""

    session: AwsSession
    errors: tuple[type[Exception], ...] = (ClientError, BotoCoreError)

    def s3(self) -> Any:
        """S3, for a store in a bucket."""
        return self.session.state_s3

    def dynamodb(self) -> Any:
        """DynamoDB, for a store in a table."""
        return self.session.state_dynamodb
