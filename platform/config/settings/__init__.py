"""Django's settings, a topic a file."""

from config.settings.alerts import *  # noqa: F403
from config.settings.base import *  # noqa: F403
from config.settings.billing import *  # noqa: F403
from config.settings.caches import *  # noqa: F403
from config.settings.celery import *  # noqa: F403
from config.settings.database import *  # noqa: F403
from config.settings.inputs import *  # noqa: F403
from config.settings.log import *  # noqa: F403
from config.settings.mail import *  # noqa: F403
from config.settings.rest import *  # noqa: F403
from config.settings.security import *  # noqa: F403
from config.settings.signin import *  # noqa: F403
from config.settings.theme import *  # noqa: F403
