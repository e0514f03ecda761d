"""A decoded image or a volume -> the tensor that a model takes, by the steps that its card declares.

    resizing    one plane to another size
    geometry    where in the image the tensor's edges lie, so that what a model says of a place can be shown
    steps       the vocabulary `image/1`: one small function a step
    volumes     the steps of volumes: axes, distances of voxels
    declared    a card's steps, checked against its input tensor -> a `Preparation`

Training imports the same code, so that it cannot drift from what is served.
"""

VOCABULARY = "image/1"
"""Named in every card and every answer; changes whenever what a step does could change a tensor."""
