"""Make a random Llama of 0.6 million weights, with a tokenizer of its own.

A metering test needs an engine that counts real tokens, not one that makes sense: the
weights are random, and nothing has to be downloaded from a hub. The vocabulary (2,000)
is smaller than the model's (2,048), so some tokens decode to no text at all and are
counted all the same, as those of real models may.

Runs inside the engine environment (it needs torch, transformers and tokenizers):
`python tiny_model.py DIRECTORY`. The same seed gives the same files.
"""

import random
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

# None of these is in the project's own environment.
import torch  # type: ignore[import-not-found]
from tokenizers import (  # type: ignore[import-not-found]
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import (  # type: ignore[import-not-found]
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

SEED = 20251121
CONTEXT_TOKENS = 4096
TOKENIZER_TOKENS = 2000
MODEL_TOKENS = 2048

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Real letters beside invented words: the byte-level alphabet covers every script, and
# a character of several tokens is what a meter stumbles over.
SCRIPTS = (
    "The quick brown fox jumps over the lazy dog. What does one token cost today?\n"
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n"
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Съешь же ещё этих мягких булок.\n"
    "いろはにほへと ちりぬるを 天地玄黃 宇宙洪荒 다람쥐 헌 쳇바퀴에 타고파 🙂🚀\n"
)


def corpus() -> Iterator[str]:
    """Yield lines of invented words, common ones more often, after the real scripts."""
    chance = random.Random(SEED)
    syllables = ["".join(parts) for parts in product("bdfgklmnprst", "aeiou", "nrst")]
    words = [
        "".join(chance.choices(syllables, k=length))
        for length in chance.choices((1, 2, 3), k=3000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    yield from SCRIPTS.splitlines(keepends=True)
    for _ in range(4000):
        yield " ".join(chance.choices(words, weights, k=12)).capitalize() + ".\n"


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE with ChatML turns; every text round-trips through it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENIZER_TOKENS,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
    )


def make_model(directory: Path) -> None:
    """Write tokenizer, configuration and random weights to `directory`."""
    tokenizer = train_tokenizer()
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=MODEL_TOKENS,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


if __name__ == "__main__":
    make_model(Path(sys.argv[1]))
