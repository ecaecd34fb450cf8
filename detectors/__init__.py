"""What a camera saw, told as stays; pure, with no stream, picture or clock."""
