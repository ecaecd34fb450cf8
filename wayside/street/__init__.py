"""A street of our own: drawn in perspective with numpy and OpenCV, made to be looked at.

Street coordinates, metres: x along the road, y across it (0 at the near kerb), z up. Traffic keeps to the right.
Colours are BGR, 0 to 1.
"""
