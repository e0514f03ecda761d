"""Training of `image_gate`: chest radiograph, head CT or neither; upside down, inverted, photographed."""
