"""The pipeline's stages, pure objects: ``ingest -> detect -> correlate``."""
