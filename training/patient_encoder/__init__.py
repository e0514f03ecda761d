"""The patient encoder: an autoencoder of the record, for similar patients."""
