"""How the model `clinical_ner` is trained, evaluated and exported."""
