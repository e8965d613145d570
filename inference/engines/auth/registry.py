"""The schemes that replicas may want, by the name that the control side publishes."""

from collections.abc import Mapping

from inference.engines.auth.google_account import GoogleToken
from inference.engines.auth.keys import ApiKeyHeader, Bearer
from inference.engines.auth.oauth import ClientCredentials
from inference.engines.auth.scheme import AuthScheme
from inference.engines.auth.sigv4 import SigV4

AUTH: Mapping[str, AuthScheme] = {
    "bearer": Bearer(),
    "x-api-key": ApiKeyHeader("x-api-key"),
    "api-key": ApiKeyHeader("api-key"),
    "sigv4": SigV4(),
    "google": GoogleToken(),
    "oauth": ClientCredentials(),
}
