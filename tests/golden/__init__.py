"""What the presets match on the example market, by a program that does without the package."""
