"""What the centre keeps, and every question that is asked of it."""
