"""How the host reaches a key: one interface, several wires."""
