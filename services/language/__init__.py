"""The language service: entities, assertion, concepts and embeddings of clinical notes."""
