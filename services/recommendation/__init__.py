"""Recommendation: patient records, ranked treatments with their cautions, similar patients, prognosis."""
