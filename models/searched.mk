# Kept by scripts/models.
models_searched = \
	blackscholes-goal \
	blackscholes-pass \
	features64-goal \
	features64-pass \
	forwardk2j-goal \
	forwardk2j-pass \
	heading-goal \
	heading-pass \
	inversek2j-goal \
	inversek2j-pass \
	jmeint-pass \
	jmeint_balanced-pass \
	jpeg50-goal \
	jpeg50-pass \
	jpeg75-goal \
	jpeg75-pass \
	kmeans-goal \
	kmeans-pass \
	median9-goal \
	median9-pass \
	sobel-goal \
	sobel-pass \
	specmag256-goal \
	specmag256-pass \
	speed-goal \
	speed-pass
models_refused = \
	jmeint-goal \
	rms64-goal \
	rms64-pass
