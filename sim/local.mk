# sim: what is built here
