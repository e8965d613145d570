"""The management API's caller, for the tests of metering's own endpoints."""

from tests.api.conftest import operator

__all__ = ["operator"]
