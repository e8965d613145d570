r"""Which tokenizers ship with the project: their names, hashes and splitting rules.

A rule cuts text into pieces before the ranks merge bytes within each; it belongs to the
ranks as much as their numbers do. Kept apart from what loads them, so that a form can
list the names without importing tiktoken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_O200K_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"


class TokenizerError(Exception):
    """A tokenizer that cannot be had, or a text that it cannot count."""


@dataclass(frozen=True, slots=True)
class ShippedTokenizer:
    """One rank file: the hash of its plain bytes, and its splitting rule.

    `message_tokens` is what a chat template adds to each message, its role included,
    and `reply_tokens` what opens the answer: those of ChatML, the commonest template.
    `opening_tokens` stand before every prompt, such as a mark of its beginning.
    """

    sha256: str
    rule: str
    message_tokens: int = 5
    reply_tokens: int = 3
    opening_tokens: int = 0


SHIPPED: Mapping[str, ShippedTokenizer] = MappingProxyType(
    {
        "cl100k_base": ShippedTokenizer(
            sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
            rule="|".join(
                (
                    r"'(?i:[sdmt]|ll|ve|re)",
                    r"[^\r\n\p{L}\p{N}]?+\p{L}++",
                    r"\p{N}{1,3}+",
                    r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
                    r"\s++$",
                    r"\s*[\r\n]",
                    r"\s+(?!\S)",
                    r"\s",
                )
            ),
        ),
        "o200k_base": ShippedTokenizer(
            sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
            rule="|".join(
                (
                    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
                    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _O200K_SUFFIX,
                    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
                    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _O200K_SUFFIX,
                    r"\p{N}{1,3}",
                    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                    r"\s*[\r\n]+",
                    r"\s+(?!\S)",
                    r"\s+",
                )
            ),
        ),
    }
)
