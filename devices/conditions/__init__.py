"""What the values of devices mean: one module for what is watched, each a configuration with a pure step."""
