from tests.s3.s3_fixtures import admin, bucket, connected, swift

__all__ = ["admin", "bucket", "connected", "swift"]
