"""Audio-visual tasks; importing this package registers the built-in ones."""

from tasks.avqa.task import Avqa
from tasks.classification.task import Classification
from tasks.event_localisation.task import EventLocalisation
from tasks.retrieval.task import Retrieval

__all__ = ["Avqa", "Classification", "EventLocalisation", "Retrieval"]
