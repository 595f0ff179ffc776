"""Settings of the whole suite."""

from hypothesis import settings

settings.register_profile("confidant", deadline=None)  # these machines are noisy
settings.load_profile("confidant")
