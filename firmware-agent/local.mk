# firmware-agent: the portable core (freestanding) and the host HAL
