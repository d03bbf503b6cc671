# accel: what is built here
