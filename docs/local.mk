# docs: what is built here
