"""The Optout Registry: who said "stop contacting me", and who has been told."""
