"""Links: how a gateway hears its devices and speaks to them; one module a kind of wire."""
