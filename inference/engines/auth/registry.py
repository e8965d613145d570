"""The schemes that replicas may want, by the name that the control side publishes."""

from collections.abc import Mapping

from inference.engines.auth.keys import ApiKeyHeader, Bearer
from inference.engines.auth.scheme import AuthScheme

AUTH: Mapping[str, AuthScheme] = {
    "bearer": Bearer(),
    "x-api-key": ApiKeyHeader("x-api-key"),
    "api-key": ApiKeyHeader("api-key"),
}
