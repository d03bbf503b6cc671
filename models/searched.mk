# Kept by scripts/models.
models_searched = \
	forwardk2j-goal \
	heading-goal \
	heading-pass \
	inversek2j-goal \
	kmeans-goal \
	kmeans-pass \
	speed-goal \
	speed-pass
