"""Images that belong together -> one ordered series, its volume, and one answer from those of its slices.

    limits         what a series may cost
    archive        a zip -> its files, bounded before anything is inflated
    slices         one image of a series: which it is and where it lies
    ordering       slices -> the order along their normal, or a refusal; what is missing, doubled or uneven
    reading        what was sent -> a `Series` whose slices are decoded when they are asked for
    assembly       a series -> one volume of Hounsfield units
    volume         a volume, its axes turned, its voxels resampled
    scanning       every slice before the gates and the models, a few at a time
    answering      what was said of the slices -> a model's one answer
    analysis       all of it, for one request
    aggregation    probabilities of the slices -> those of the series, and the slices that they rest on

A few decoded slices are held at a time, and of a volume one copy.
"""
