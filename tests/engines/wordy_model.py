"""Write a random Llama whose vocabulary is cl100k_base's, as one GGUF file.

llama.cpp tokenizes with code of its own, so an engine with the ranks that the project
ships is an independent witness of its counts. Where the weights come from does not
matter to that, what the model writes does: random tokens put side by side are not the
tokens that their text is split into again. So only tokens that are a blank and letters
have a row in the output matrix. At temperature zero the model writes them alone, as
models write words, and its text is counted as it was generated; the hotter it is asked
to be, the more of the other tokens come through, broken characters among them.

Runs inside the llama.cpp environment (it needs gguf, numpy and tiktoken):
`python wordy_model.py FILE`. The same seed gives the same file.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# Neither of these is in the project's own environment.
import gguf  # type: ignore[import-not-found]
import numpy as np  # type: ignore[import-not-found,unused-ignore]

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

from inference.tokenizers.encodings import encoding

SEED = 20251121
CONTEXT_TOKENS = 4096
WIDTH, INNER_WIDTH, LAYERS, HEADS = 64, 128, 2, 4
# Logits of about this size: at temperature one every word is about as likely.
OUTPUT_SCALE = 1.0
# The end's row is longer than a word's, so that it wins after some dozens of words.
END_SCALE = 2.0

TOKENIZER = "cl100k_base"
# The name under which llama.cpp knows cl100k_base's rule of splitting.
PRE_TOKENIZER = "dbrx"
# The ids that the tokens after the ranks have by right; the two turns take those of
# tokens that no chat uses.
SPECIAL_TOKENS = {
    "<|endoftext|>": 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|im_start|>": 100264,
    "<|im_end|>": 100265,
    "<|endofprompt|>": 100276,
}
TURN_END = SPECIAL_TOKENS["<|im_end|>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def ranks() -> dict[bytes, int]:
    """Return the shipped ranks, their hash checked by the project's own code."""
    known = encoding(TOKENIZER)
    tokens = known.token_byte_values()
    return {token: known.encode_single_token(token) for token in tokens}


def letters_of_bytes() -> dict[int, str]:
    """Return GPT-2's printable letter for every byte: what stands for itself, does."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    letters = {byte: chr(byte) for byte in plain}
    return letters | {byte: chr(256 + place) for place, byte in enumerate(others)}


def merges(ranks: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield, by rank, every pair of tokens that makes a token.

    tiktoken joins whatever two neighbours make a token, lowest rank first; a list of
    merges does the same if it holds every such pair in that order.
    """
    for token in sorted(ranks, key=ranks.__getitem__):
        for cut in range(1, len(token)):
            if token[:cut] in ranks and token[cut:] in ranks:
                yield token[:cut], token[cut:]


def is_word(token: bytes) -> bool:
    """Tell whether a token is a blank and letters: one token wherever it stands."""
    text = token.decode(errors="replace")
    blank, letters = text[:1], text[1:]
    return blank == " " and letters.isalpha()


def add_tokenizer(writer: gguf.GGUFWriter, ranks: Mapping[bytes, int]) -> None:
    """Describe the vocabulary: the ranks, the special tokens, gaps between them."""
    letters = letters_of_bytes()
    spelled = {token: "".join(letters[byte] for byte in token) for token in ranks}
    ordinary = {rank: spelled[token] for token, rank in ranks.items()}
    special = {number: text for text, number in SPECIAL_TOKENS.items()}
    texts, kinds = [], []
    for number in range(vocabulary_size()):
        if text := ordinary.get(number):
            kind = gguf.TokenType.NORMAL
        elif text := special.get(number):
            kind = gguf.TokenType.CONTROL
        else:
            text, kind = f"<|unused_{number}|>", gguf.TokenType.UNUSED
        texts.append(text)
        kinds.append(kind)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(
        [f"{spelled[left]} {spelled[right]}" for left, right in merges(ranks)]
    )
    writer.add_bos_token_id(SPECIAL_TOKENS["<|endoftext|>"])
    writer.add_eos_token_id(TURN_END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def vocabulary_size() -> int:
    """Return how many tokens there are, gaps between the special ones included."""
    return max(SPECIAL_TOKENS.values()) + 1


def add_weights(writer: gguf.GGUFWriter, ranks: Mapping[bytes, int]) -> None:
    """Add random weights; only words and the end of a turn have an output row."""
    chance = np.random.default_rng(SEED)

    def random(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        drawn = chance.standard_normal((rows, columns), dtype=np.float32)
        return drawn * np.float32(scale / columns**0.5)

    output = random(vocabulary_size(), WIDTH, OUTPUT_SCALE)
    words = {rank for token, rank in ranks.items() if is_word(token)}
    silent = sorted(set(range(vocabulary_size())) - words - {TURN_END})
    output[silent] = 0
    output[TURN_END] *= END_SCALE
    writer.add_tensor("token_embd.weight", _half(random(vocabulary_size(), WIDTH)))
    writer.add_tensor("output.weight", _half(output))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}.{name}.weight", _half(random(WIDTH, WIDTH)))
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(
                f"{block}.{name}.weight", _half(random(INNER_WIDTH, WIDTH))
            )
        writer.add_tensor(f"{block}.ffn_down.weight", _half(random(WIDTH, INNER_WIDTH)))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{name}.weight", np.ones(WIDTH, np.float32))


def _half(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(np.float16)


def write_model(file: Path) -> None:
    """Write the whole model to `file`."""
    known = ranks()
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("wordy")
    writer.add_vocab_size(vocabulary_size())
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER_WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    add_tokenizer(writer, known)
    add_weights(writer, known)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
