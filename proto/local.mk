# proto: what is built here
