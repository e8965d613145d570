"""What is served: models by public name, replicas that run them, what was published.

The gateways read only `Publication`. Every change of a published row writes its entry
under the next version and announces it in the same transaction; see
`inference.control.services`.
"""

from inference.control.models.calibration import Calibration
from inference.control.models.fallbacks import FALLBACKS_MAX, ModelFallback
from inference.control.models.publication import Publication, PublicationVersion
from inference.control.models.pulse import Pulse
from inference.control.models.refusals import Refusal
from inference.control.models.replicas import (
    SLOTS,
    SLOTS_MAX,
    WEIGHT,
    WEIGHT_MAX,
    Replica,
)
from inference.control.models.served import CACHE_S_MAX, ModelAlias, ServedModel
from inference.control.models.serving import (
    CANARY_WHOLE,
    QUEUE_MAX,
    QUEUE_MS_MAX,
    WAKE_MS_MAX,
    Policy,
    ServingSettings,
)
from inference.control.models.values import (
    default_modalities,
    default_tasks,
    engine_url,
    sampling_defaults,
    tokenizer_choices,
)

# Migrations that have landed name it so.
_engine_url = engine_url

__all__ = [
    "CACHE_S_MAX",
    "CANARY_WHOLE",
    "FALLBACKS_MAX",
    "QUEUE_MAX",
    "QUEUE_MS_MAX",
    "SLOTS",
    "SLOTS_MAX",
    "WAKE_MS_MAX",
    "WEIGHT",
    "WEIGHT_MAX",
    "Calibration",
    "ModelAlias",
    "ModelFallback",
    "Policy",
    "Publication",
    "PublicationVersion",
    "Pulse",
    "Refusal",
    "Replica",
    "ServedModel",
    "ServingSettings",
    "default_modalities",
    "default_tasks",
    "engine_url",
    "sampling_defaults",
    "tokenizer_choices",
]
