"""The endpoints, a file a subject; each file ends in the operations it serves. Nothing here imports another route."""
