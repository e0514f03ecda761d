"""Drafted orders against a record and what the caller adds to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from services.clinical.record import Allergy, Condition, Medication, PatientRecord
from services.recommendation.equivalents import Equivalents
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.orders import Order, OrderCheck, check_orders
from services.recommendation.safety.rules import SafetyRules


class MedicationChecker:
    """Checks orders by the mesh's own rules; no model is asked."""

    def __init__(self, rules: SafetyRules, equivalents: Equivalents) -> None:
        """`equivalents` knows conditions by words that no rule speaks of."""
        self._rules = rules
        self._equivalents = equivalents

    @property
    def digest(self) -> str:
        """SHA-256 over the knowledge."""
        return self._rules.digest

    def check(
        self,
        record: PatientRecord,
        orders: Sequence[Order],
        further: tuple[Condition, ...] = (),
        further_allergies: tuple[Allergy, ...] = (),
        further_medications: tuple[Medication, ...] = (),
    ) -> OrderCheck:
        """Each order against the record with the further entries, and against the other orders."""
        whole = dataclasses.replace(
            record.with_conditions(further), medications=(*record.medications, *further_medications)
        )
        check = SafetyCheck(self._rules, whole, further_allergies, self._is_known)
        return check_orders(self._rules, whole, check, orders)

    def _is_known(self, condition: Condition) -> bool:
        return self._equivalents.knows(condition)
