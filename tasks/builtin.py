"""Importing this module registers the built-in tasks; the registry does so on its first look-up."""

from tasks.avqa.task import Avqa
from tasks.classification.task import Classification
from tasks.event_localisation.task import EventLocalisation
from tasks.parsing.task import Parsing
from tasks.retrieval.task import Retrieval
from tasks.segmentation.task import Segmentation

__all__ = ["Avqa", "Classification", "EventLocalisation", "Parsing", "Retrieval", "Segmentation"]
