# bench: what is built here
