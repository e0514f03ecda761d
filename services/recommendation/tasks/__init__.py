"""What kinds of model the recommendation service serves; each is one module, and a card's `serving.task`
picks it.

    record_ranking     treatments for a record
    record_embedding   patients whose records are alike
    time_series_risk   the risk of an outcome from measurements over time

`model` has what a task needs of a served model, `records` what those share that read records. Adding a task
is adding a module, and a line where the service is put together.
"""
