"""Device profiles: data, each file with its own vectors inside; read by devices.profile."""
