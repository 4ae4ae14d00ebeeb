"""The only door to boto3: sessions, discovery, and the engine's and the bake's protocols over the AWS API."""
