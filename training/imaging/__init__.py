"""What the training of the image networks shares: the network, augmentation, the loop, figures,
quantization.
"""
