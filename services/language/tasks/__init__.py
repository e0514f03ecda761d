"""The kinds of model that the language service serves, a module each. A model is known by its card alone."""

from __future__ import annotations

from services.chassis.models.served import Task
from services.language.tasks.text_classification import TextClassifier
from services.language.tasks.text_embedding import TextEmbedder
from services.language.tasks.text_generation import TextGenerator
from services.language.tasks.token_classification import TokenClassifier

TOKEN_CLASSIFICATION = Task("token_classification", TokenClassifier)
TEXT_CLASSIFICATION = Task("text_classification", TextClassifier)
TEXT_EMBEDDING = Task("text_embedding", TextEmbedder)
TEXT_GENERATION = Task("text_generation", TextGenerator)
TASKS = (TOKEN_CLASSIFICATION, TEXT_CLASSIFICATION, TEXT_EMBEDDING, TEXT_GENERATION)
