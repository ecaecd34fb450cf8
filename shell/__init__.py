"""What both shells need of their process: a log, named crash points, word to systemd."""
