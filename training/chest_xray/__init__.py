"""Training of `chest_xray`: normal, bacterial or viral pneumonia on a chest radiograph."""
