"""Prognosis in intensive care: in-hospital death from the first 48 hours, with a recurrent network."""
