"""Models on devices: weights that a server generates, and ONNX graphs that use them where the person is."""
