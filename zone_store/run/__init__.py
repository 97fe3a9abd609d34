"""The run folder: manifest, LMDB store, writer, reader, sealing, verification."""
