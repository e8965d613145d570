"""What is put before models: the tokenizers that served models may name."""

from config.env import load
from config.env_inputs import InputSettings

TOKENIZER_DIR = load(InputSettings).tokenizer_dir
