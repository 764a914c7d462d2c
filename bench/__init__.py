"""How fast the key is, beside floors and peers: ratios of one run, because absolute rates depend on the machine."""
