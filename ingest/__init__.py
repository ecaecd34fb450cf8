"""The centre: takes what agents publish, makes cases of it, and shows them."""
