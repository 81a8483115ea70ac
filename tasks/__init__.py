"""Audio-visual tasks; importing this package registers the built-in ones."""

from tasks.avqa.task import Avqa
from tasks.event_localisation.task import EventLocalisation
from tasks.retrieval.task import Retrieval

__all__ = ["Avqa", "EventLocalisation", "Retrieval"]
