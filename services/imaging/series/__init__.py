"""Images that belong together -> one ordered series, its volume, and one answer from those of its slices.

    limits         what a series may cost
    archive        a zip -> its files, bounded before anything is inflated
    slices         one image of a series: which it is and where it lies
    ordering       slices -> the order along their normal, or a refusal; what is missing, doubled or uneven
    reading        what was sent -> a `Series` whose slices are decoded when they are asked for
    volume         a series -> Hounsfield units on a regular grid
    aggregation    probabilities of the slices -> those of the series, and the slices that they rest on

Nothing here keeps more than one decoded slice, but for `volume`, which keeps one volume.
"""
