"""All that differs between DHTs, one package each, behind montra.overlays.base."""
